// What the parts of the page share: words, the chat that is shown, commands up, patches down.

import { Live } from "./live.js";

const ANSWER_SECONDS = 15;
const SETTLING = new Set(["system", "preset"]);

export class App {
  constructor(table, trigger) {
    this.table = table;
    this.trigger = trigger;
    this.language = table.language;
    this.page = pageName();
    this.chat = null;
    this.account = { id: 0, name: "", owner: true };
    this.busy = false;
    this.listeners = new Map();
    this.calls = new Map();
    this.called = 0;
    this.settling = Promise.resolve();
    this.levers = () => ({ sampling: {}, start_with: "", preset: "", shape: null });
    this.live = new Live(this.page, this.language, (patches) => this.heard(patches), (up) => this.tell("connection", { up }));
    this.number = new Intl.NumberFormat(this.language);
    this.plurals = new Intl.PluralRules(this.language);
    this.on("answer", ({ call, ok }) => this.answered(call, ok));
    this.on("hello", ({ account }) => { this.account = account; });
  }

  /** Return a sentence in the reader's language; numbers are grouped as they are used to. */
  t(key, details = {}) {
    const words = this.table.words[key];
    if (words === undefined) {
      console.error(`no words for ${key}`);
      return key;
    }
    return fill(words, details, this);
  }

  /** Call `listener(patch)` for every patch of a kind, and for what the page tells itself. */
  on(kind, listener) {
    this.listeners.set(kind, [...(this.listeners.get(kind) ?? []), listener]);
  }

  /** Take what has come in one frame; "drawn" is told once all of it is on the page. */
  heard(patches) {
    for (const patch of patches) {
      try {
        this.take(patch);
      } catch (error) {
        console.error(error);
      }
    }
    this.tell("drawn");
  }

  take(patch) {
    // What belongs to a chat that was left before it came.
    if (patch.kind === "dialogue" && patch.asked !== undefined && patch.asked !== this.chat) return;
    if ((patch.kind === "older" || patch.kind === "system") && patch.chat !== this.chat) return;
    this.tell(patch.kind, patch);
  }

  tell(kind, patch = {}) {
    for (const listener of this.listeners.get(kind) ?? []) listener(patch);
  }

  /** Ask the server for something; resolves to whether it was done. What went wrong is told by a notice. */
  async act(act, data = {}) {
    // What the reply depends on must have arrived before the reply is asked for.
    const before = this.settling;
    const { chat } = this;
    const done = (async () => { await before; return this.call(act, { chat, ...data }); })();
    if (SETTLING.has(act)) this.settling = done;
    return done;
  }

  call(act, data) {
    if (!this.live.connected) {
      this.notice("warning", this.t("connection.lost"));
      return Promise.resolve(false);
    }
    const call = ++this.called;
    return new Promise((resolve) => {
      const timer = setTimeout(() => { this.notice("error", this.t("connection.silent")); this.answered(call, false); }, ANSWER_SECONDS * 1000);
      this.calls.set(call, { resolve, timer });
      this.trigger({ act, call, page: this.page, ...data });
    });
  }

  answered(call, ok) {
    const waiting = this.calls.get(call);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.calls.delete(call);
    waiting.resolve(ok);
  }

  notice(level, text) {
    this.tell("notice", { level, text, undo: null });
  }

  /** Show a chat (null: a new one); with `message`, scroll to it once it is there. */
  show(chat, { push = true, message = null } = {}) {
    this.tell("leaving", { chat: this.chat });
    this.chat = chat;
    this.sought = message;
    const address = chat === null ? location.pathname : `#${chat}`;
    if (push && address !== (location.hash || location.pathname)) history.pushState(null, "", address);
    this.tell("showing", { chat });
    this.live.watch(chat);
  }

  /** The chat that the address names. */
  addressed() {
    const found = /^#(\d{1,15})$/.exec(location.hash);
    return found ? Number(found[1]) : null;
  }
}

const PAGE_KEY = "samovar.page";

/** Return this page's name; a page that is loaded again keeps it, so that what was meant for it still finds it. */
function pageName() {
  const name = sessionStorage.getItem(PAGE_KEY)
    ?? [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  // A copy of this tab must not take the name of one that is still there.
  const hide = () => sessionStorage.removeItem(PAGE_KEY);
  hide();
  addEventListener("pagehide", () => sessionStorage.setItem(PAGE_KEY, name));
  addEventListener("pageshow", hide);
  return name;
}

// `{name}` is a detail; `{name:one|many}` (in Russian `{name:one|few|many}`) is the word that goes with a number.
const PLACE = /\{(\w+)(?::([^}]*))?\}/g;
const FORMS = { en: ["one", "other"], ru: ["one", "few", "many"] };

function fill(words, details, app) {
  return words.replace(PLACE, (_, name, forms) => {
    const value = details[name] ?? "";
    if (forms === undefined) return typeof value === "number" ? app.number.format(value) : String(value);
    const choices = forms.split("|");
    const at = FORMS[app.language].indexOf(app.plurals.select(Number(value)));
    return choices[at < 0 ? choices.length - 1 : Math.min(at, choices.length - 1)];
  });
}
