// The input box with Send and Stop in one place, and the commands on the end of the dialogue.

import { button, debounced, grow, h } from "./dom.js";

const TYPING_MS = 200;
const COARSE = matchMedia("(pointer: coarse)");

export class Composer {
  constructor(app, meter) {
    this.app = app;
    this.field = h("textarea", { rows: "1", placeholder: app.t("composer.placeholder"), "aria-label": app.t("composer.placeholder"), enterkeyhint: "send" });
    this.send = button("send", app.t("composer.send"), { id: "send", class: "round main", onclick: () => this.submit() });
    this.stop = button("stop", app.t("composer.stop"), { id: "stop", class: "round main", hidden: true, onclick: () => app.act("stop") });
    const tool = (id, drawing, key, run) => {
      const made = button(drawing, app.t(`button.${key}`), { id, text: true, onclick: run });
      made.title = app.t(`button.${key}.title`);
      return made;
    };
    this.tools = [
      tool("regenerate", "again", "regenerate", () => this.ask("regenerate")),
      tool("continue", "forward", "continue", () => this.ask("continue")),
      tool("impersonate", "person", "impersonate", () => this.impersonate()),
      tool("remove-last", "back", "remove_last", () => app.act("remove-last")),
    ];
    this.status = h("span", { id: "status", class: "status", role: "status" });
    this.box = h("div", { id: "composer" }, this.field, this.send, this.stop);
    this.element = h("div", { class: "bottom" }, h("div", { class: "under" }, this.status, meter.label), meter.element, this.box, h("div", { class: "tools" }, this.tools));
    this.typed = debounced(() => { this.app.live.send({ typing: this.field.value }); this.keep(); }, TYPING_MS);
    this.listen();
  }

  listen() {
    const { app, field } = this;
    field.addEventListener("input", () => { this.draw(); this.typed(); });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !COARSE.matches) {
        event.preventDefault();
        this.submit();
      }
    });
    this.box.addEventListener("click", (event) => { if (event.target === this.box) field.focus(); });
    app.on("input", (patch) => this.take(patch));
    app.on("status", (patch) => this.phase(patch));
    app.on("undone", ({ text }) => { if (text && this.text === text) this.set("", false); });
    app.on("rescued", ({ text }) => { this.take({ chat: this.chat ?? null, text, mode: "set", focus: true }); });
    app.on("try", ({ text }) => this.set(text, true));
    app.on("leaving", () => { this.typed.cancel(); this.keep(); });
    app.on("showing", ({ chat }) => this.turn(chat));
    app.on("dialogue", () => { app.live.send({ typing: this.text }); this.draw(); });
    app.on("hello", () => { if (this.chat === undefined) this.begin(app.chat); });
    app.on("model", ({ reasons }) => { this.reasons = reasons; this.draw(); });
    addEventListener("pagehide", () => this.keep());
  }

  get text() { return this.field.value; }

  set(text, focus) {
    this.field.value = text;
    this.draw();
    this.typed();
    if (focus && !COARSE.matches) this.field.focus();
  }

  take({ chat, text, mode, focus }) {
    if (chat !== (this.chat ?? null)) this.lay(chat, text, mode);
    else if (mode === "append") this.set(this.text + text, false);
    else if (!this.text.trim() || !focus) this.set(text, focus);
    else this.set(`${text}\n${this.text}`, focus);
  }

  /** Send what is written; it stays in the box until the server has it. */
  async submit() {
    if (this.sending || this.app.busy) return;
    const sent = this.text;
    const slot = this.slot(this.chat);
    this.sending = true;
    this.typed.cancel();
    const done = await this.app.act("send", { text: sent, levers: this.app.levers() });
    this.sending = false;
    if (!done) return;
    localStorage.removeItem(slot);
    if (this.text === sent) this.set("", false);
    else if (this.text.startsWith(sent)) this.set(this.text.slice(sent.length), false);
  }

  ask(act) {
    this.app.act(act, { levers: this.app.levers() });
  }

  impersonate() {
    this.app.act("impersonate", { text: this.text, levers: this.app.levers() });
  }

  phase({ phase, place, done, total, speaker, error }) {
    const { app } = this;
    const busy = phase !== "idle";
    const percent = total ? Math.floor((100 * done) / total) : 0;
    this.busy = busy;
    this.send.hidden = busy;
    this.stop.hidden = !busy;
    const doing = phase === "writing" && speaker === "user" ? "impersonating" : phase;
    this.status.textContent = busy ? app.t(`status.${doing}`, { place, percent }) : "";
    this.status.title = error ?? "";
    this.status.classList.toggle("busy", busy);
    this.drawTools();
  }

  draw() {
    grow(this.field);
    this.drawTools();
  }

  drawTools() {
    for (const tool of this.tools) {
      const new_chat = this.app.chat === null && tool.id !== "impersonate";
      const reason = this.reasons?.[tool.id];
      tool.disabled = Boolean(this.busy || new_chat || reason);
    }
  }

  // What was not sent yet is kept in the browser, for each chat, so that closing the page loses nothing.
  slot(chat) { return `samovar.draft.${this.app.account.id}.${chat ?? "new"}`; }

  keep() {
    if (this.chat === undefined) return;
    if (this.text.trim()) localStorage.setItem(this.slot(this.chat), this.text);
    else localStorage.removeItem(this.slot(this.chat));
  }

  /** Put text into what is kept of another chat's box. */
  lay(chat, text, mode) {
    const slot = this.slot(chat);
    const before = localStorage.getItem(slot) ?? "";
    localStorage.setItem(slot, mode === "append" ? before + text : text);
  }

  /** The page has just come: take up what was left, unless something was typed already. */
  begin(chat) {
    const typed = this.text;
    this.turn(chat);
    if (typed.trim()) this.set([this.text, typed].filter(Boolean).join("\n"), false);
  }

  /** Take up what was left in another chat; a first message being sent goes along into the chat that it begins. */
  turn(chat) {
    const begun = this.chat === null && this.sending;
    this.chat = chat;
    if (!begun) this.set(localStorage.getItem(this.slot(chat)) ?? "", true);
  }
}
