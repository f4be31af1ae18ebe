// The list of chats at the side: newest first, by day; search, rename, delete.

import { button, debounced, h } from "./dom.js";

const SEARCH_MS = 200;
const DAY = 86400000;

export class Chats {
  constructor(app) {
    this.app = app;
    this.chats = new Map();
    this.list = h("nav", { id: "chat-list", "aria-label": app.t("chats.title") });
    this.more = button("down", app.t("chats.more"), { text: true, class: "quiet", hidden: true, onclick: () => this.askMore() });
    this.found = null;
    this.query = h("input", { type: "search", placeholder: app.t("chats.search"), "aria-label": app.t("chats.search"), autocomplete: "off" });
    this.element = h("div", { class: "chats" },
      button("plus", app.t("chats.new"), { id: "new-chat", text: true, class: "wide", onclick: () => app.show(null) }),
      h("label", { id: "chat-search" }, this.query),
      h("div", { class: "chat-rows" }, this.list, this.more));
    const search = debounced(() => this.search(), SEARCH_MS);
    this.query.addEventListener("input", search);
    this.query.addEventListener("keydown", (event) => { if (event.key === "Escape") { this.query.value = ""; this.search(); } });
    app.on("chats", (patch) => this.take(patch));
    app.on("chat", (patch) => { this.chats.set(patch.id, patch); this.draw(); });
    app.on("chat-gone", ({ id }) => this.gone(id));
    app.on("found", (patch) => { if (patch.text === this.text) { this.found = patch.list; this.draw(); } });
    app.on("showing", () => this.draw());
    app.on("dialogue", ({ chat }) => this.name(chat));
  }

  /** Take the newest chats, or with `earlier` those that follow what is shown. */
  take({ list, more, earlier }) {
    const before = earlier ? [...this.chats] : [];
    this.chats = new Map([...before, ...list.map((chat) => [chat.id, chat])]);
    this.anyMore = more;
    this.draw();
  }

  askMore() {
    this.app.live.send({ chats: Math.min(...[...this.chats.values()].map(({ updated }) => updated)) });
  }

  draw() {
    if (this.list.contains(document.activeElement) && document.activeElement.tagName === "INPUT") {
      this.late = true;
      return;
    }
    this.late = false;
    this.more.hidden = this.found !== null || !this.anyMore;
    this.list.replaceChildren(...(this.found === null ? this.rows() : this.hits()));
    const current = this.chats.get(this.app.chat);
    document.title = current ? `${current.title} · Samovar` : "Samovar";
  }

  rows() {
    const rows = [...this.chats.values()].sort((a, b) => b.updated - a.updated || b.id - a.id);
    const made = [];
    let day = "";
    for (const chat of rows) {
      const named = this.day(chat.updated);
      if (named !== day) made.push(h("h2", {}, this.app.t(`chats.${named}`)));
      day = named;
      made.push(this.row(chat));
    }
    if (!made.length) made.push(h("p", { class: "none" }, this.app.t("chats.empty")));
    return made;
  }

  day(seconds) {
    const midnight = new Date().setHours(0, 0, 0, 0);
    const at = seconds * 1000;
    if (at >= midnight) return "today";
    if (at >= midnight - DAY) return "yesterday";
    return at >= midnight - 7 * DAY ? "week" : "older";
  }

  row(chat) {
    const { app } = this;
    const current = chat.id === app.chat;
    return h("div", { class: "chat", "data-chat": chat.id, "data-current": current, "data-busy": chat.busy },
      h("a", { href: `#${chat.id}`, title: chat.title, "aria-current": current ? "page" : null, onclick: (event) => this.open(event, chat.id) }, chat.title),
      h("span", { class: "acts" },
        button("edit", app.t("chats.rename"), { onclick: (event) => this.rename(event.target.closest(".chat"), chat) }),
        button("trash", app.t("chats.delete"), { onclick: () => this.remove(chat.id) })));
  }

  open(event, chat, message = null) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.app.show(chat, { message });
  }

  remove(chat) {
    this.app.act("delete-chat", { chat });
  }

  gone(id) {
    this.chats.delete(id);
    this.found = this.found?.filter(({ chat }) => chat !== id) ?? null;
    if (this.app.chat === id) this.app.show(null);
    this.draw();
  }

  rename(row, chat) {
    const field = h("input", { class: "field", "aria-label": this.app.t("chats.rename"), maxlength: "200" });
    field.value = chat.title;
    let ended = false;
    const end = (keep) => {
      if (ended) return;
      ended = true;
      const title = field.value.trim();
      if (keep && title && title !== chat.title) this.app.act("rename", { chat: chat.id, title });
      field.remove();
      this.draw();
    };
    field.addEventListener("blur", () => end(true));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
    });
    row.replaceChildren(field);
    field.select();
  }

  /** A chat that the list does not hold (it is old, or a branch just made) still has a name. */
  name(chat) {
    if (chat && !this.chats.has(chat.id)) document.title = `${chat.title} · Samovar`;
    if (chat === null && this.app.chat !== null) this.app.show(null, { push: true });
  }

  get text() { return this.query.value.trim(); }

  search() {
    if (this.text) {
      this.app.live.send({ search: this.text });
    } else {
      this.found = null;
      this.draw();
    }
  }

  hits() {
    const { app } = this;
    if (!this.found.length) return [h("p", { class: "none" }, app.t("chats.not_found"))];
    return this.found.map(({ chat, title, message, snippet }) => h("a", { href: `#${chat}`, "data-chat": chat, class: "hit", onclick: (event) => this.open(event, chat, message) },
      h("b", {}, title),
      message !== null && h("span", {}, snippet.map(([piece, matched]) => (matched ? h("mark", {}, piece) : piece)))));
  }
}
