// One message: its text (from the server, rendered), its state, its figures, its actions, and its editor.

import { beams } from "./beams.js";
import { button, copyText, grow, h } from "./dom.js";
import { merge } from "./merge.js";

const ACTIONS = {
  user: [["copy", "copy"], ["edit", "edit"], ["branch", "branch"], ["delete", "trash"]],
  assistant: [["copy", "copy"], ["regenerate", "again"], ["continue", "forward"], ["edit", "edit"], ["branch", "branch"], ["delete", "trash"]],
};
const TOLD = new Set(["stopped", "length", "cut", "failed"]);

export class Article {
  constructor(app, data) {
    this.app = app;
    this.id = data.id;
    this.body = h("div", { class: "body rendered" });
    this.thinking = h("details", { class: "thinking", hidden: true }, h("summary", {}, app.t("thinking")), h("div", { class: "rendered" }));
    this.state = h("p", { class: "state", hidden: true });
    this.foot = h("footer", {});
    this.element = h("article", { "data-id": data.id, "data-role": data.role }, this.thinking, this.body, this.state, this.foot);
    this.editor = null;
    this.body.addEventListener("click", (event) => this.copyCode(event));
    this.update(data);
  }

  /** Take the message's new state; returns itself. */
  update(data) {
    this.data = data;
    this.element.dataset.state = data.state;
    this.closed = 0;
    this.open = null;
    if (data.state !== "writing") {
      this.body.innerHTML = data.html;
      this.decorate(this.body);
      this.think(data.reasoning_html);
    } else {
      this.body.replaceChildren();
      this.think("");
    }
    this.drawState();
    this.drawBeams();
    this.drawFoot();
    return this;
  }

  /** Add what has been written: closed blocks, which never change, and the open one. */
  write({ from, closed, open, reasoning, tokens }) {
    if (this.data.state !== "writing") return;
    if (from < this.closed) {
      this.body.replaceChildren();
      this.open = null;
    }
    if (closed.length) {
      const blocks = h("div", { class: "blocks", html: closed.join("") });
      this.decorate(blocks);
      this.open?.remove();
      this.body.append(...blocks.childNodes);
      this.open = null;
    }
    this.closed = from + closed.length;
    if (this.open === null) this.body.append(this.open = h("div", { class: "open" }));
    merge(this.open, h("div", { html: open }));
    if (reasoning) {
      this.thinking.hidden = false;
      this.thinking.lastChild.textContent = reasoning;
    }
    this.element.classList.toggle("begun", tokens > 0);
  }

  /** Show that the reply is on its way: `phase` is what the engine does, null when nothing. */
  waiting(phase) {
    this.element.toggleAttribute("data-waiting", phase !== null && phase !== "writing");
    this.element.toggleAttribute("data-writing", phase !== null);
  }

  think(html) {
    this.thinking.hidden = !html;
    this.thinking.lastChild.innerHTML = html;
  }

  decorate(root) {
    for (const data of root.querySelectorAll("div.data")) this.toggleRaw(data);
    for (const block of root.querySelectorAll("div.code")) {
      block.prepend(h("div", { class: "code-head" }, h("span", {}, block.dataset.lang || ""),
        button("copy", this.app.t("code.copy"), { class: "copy-code", text: true })));
    }
  }

  /** Data is drawn; a button shows its text instead. */
  toggleRaw(data) {
    const { app } = this;
    const toggle = h("button", { type: "button", class: "toggle" }, app.t("data.raw"));
    toggle.addEventListener("click", () => toggle.replaceChildren(app.t(data.toggleAttribute("data-raw") ? "data.drawn" : "data.raw")));
    data.append(toggle);
  }

  drawState() {
    const { state, error } = this.data;
    this.state.hidden = !TOLD.has(state);
    this.state.className = `state ${state}`;
    this.state.textContent = TOLD.has(state) ? [this.app.t(`state.${state}`), error].filter(Boolean).join(": ") : "";
  }

  drawBeams() {
    this.element.querySelector(".beams")?.remove();
    if (this.data.beams.length > 1) this.foot.before(beams(this.app, this.data.beams));
  }

  drawFoot() {
    const { app, data } = this;
    const [at, count] = data.version;
    const act = (name, drawing, disabled = false) => button(drawing, app.t(`act.${name}`), { "data-act": name, disabled });
    const versions = count > 1 && h("span", { class: "versions" },
      act("prev", "left", at === 1), h("span", { title: app.t("versions.title") }, `${at}/${count}`), act("next", "right", at === count));
    const acts = h("span", { class: "acts" }, ACTIONS[data.role].map(([name, drawing]) => act(name, drawing)));
    this.foot.replaceChildren(...[versions, acts, this.stats()].filter(Boolean));
  }

  stats() {
    const { app, data: { stats } } = this;
    if (!stats) return null;
    const shown = [
      stats.model,
      app.t("stats.tokens", { tokens: stats.tokens }),
      stats.speed !== null && app.t("stats.speed", { speed: stats.speed }),
      app.t("stats.first", { seconds: stats.first_token }),
    ].filter(Boolean);
    const shape = stats.shape && `${app.t("shape.title")}: ${app.t(`shape.${stats.shape}`)}`;
    const more = [app.t("stats.prompt", { prompt: stats.prompt, cached: stats.cached }), app.t("stats.seed", { seed: String(stats.seed) }), shape, new Date(this.data.created * 1000).toLocaleString(app.language)].filter(Boolean);
    return h("span", { class: "stats", title: more.join("\n") }, shown.map((text) => h("span", {}, text)));
  }

  press(act) {
    const { app, id } = this;
    switch (act) {
      case "copy": this.copy(); break;
      case "edit": this.edit(); break;
      case "prev": app.act("version", { id, step: -1 }); break;
      case "next": app.act("version", { id, step: 1 }); break;
      case "regenerate": case "continue": app.act(act, { id, levers: app.levers() }); break;
      default: app.act(act, { id });
    }
  }

  async copy() {
    const pressed = this.foot.querySelector('[data-act="copy"]');
    if (await copyText(this.data.text)) this.confirm(pressed);
  }

  async copyCode(event) {
    const pressed = event.target.closest(".copy-code");
    if (pressed && await copyText(pressed.closest(".code").querySelector("code").textContent)) this.confirm(pressed);
  }

  confirm(pressed) {
    const { app } = this;
    const fresh = button("check", app.t("act.copied"), { text: Boolean(pressed.querySelector("span")) });
    const before = [...pressed.childNodes];
    pressed.replaceChildren(...fresh.childNodes);
    pressed.classList.add("done");
    setTimeout(() => { pressed.replaceChildren(...before); pressed.classList.remove("done"); }, 1500);
  }

  edit() {
    if (this.editor || this.data.state === "writing") return;
    const { app, data } = this;
    const field = h("textarea", { class: "field", "aria-label": app.t("act.edit") });
    field.value = data.text;
    const mine = data.role === "user";
    const save = (reply) => this.save(field.value, reply);
    const named = (key, name, run) => h("button", { type: "button", class: name, onclick: run }, app.t(key));
    this.editor = h("div", { class: "editor" }, field, h("div", { class: "row" },
      named("act.cancel", "plain", () => this.endEdit()),
      named("act.save", mine ? "plain" : "main", () => save(false)),
      mine && named("act.save_and_send", "main", () => save(true))));
    field.addEventListener("input", () => grow(field));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.endEdit();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); save(mine); }
    });
    this.element.dataset.editing = "";
    this.body.after(this.editor);
    grow(field);
    field.focus({ preventScroll: true });
  }

  async save(text, reply) {
    if (text === this.data.text && !reply) this.endEdit();
    else if (await this.app.act("edit", { id: this.id, text, reply, levers: reply ? this.app.levers() : null })) this.endEdit();
  }

  /** What was changed in the editor, "" if nothing was. */
  get edited() {
    const text = this.editor?.querySelector("textarea").value ?? "";
    return text === this.data.text ? "" : text;
  }

  endEdit() {
    this.editor?.remove();
    this.editor = null;
    delete this.element.dataset.editing;
  }

  flash() {
    this.element.classList.add("found");
    setTimeout(() => this.element.classList.remove("found"), 2000);
  }
}
