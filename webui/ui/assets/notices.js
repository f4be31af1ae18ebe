// Short notices that pass, with an undo where there is one; and the questions that want an answer.

import { button, h } from "./dom.js";

const SECONDS = { info: 5, warning: 8, error: 14 };
const UNDO_SECONDS = 12;

export class Notices {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "notices", "aria-live": "polite" });
    app.on("notice", (patch) => this.show(patch));
    app.ask = (text, yes) => this.ask(text, yes);
    app.askText = (text, value) => this.ask(text, app.t("act.save"), value);
    app.on("connection", ({ up }) => this.connection(up));
  }

  show({ level, text, undo }) {
    const same = [...this.element.children].find((shown) => shown.textContent === text);
    same?.remove();
    const shown = h("div", { class: `notice ${level}`, role: level === "error" ? "alert" : "status" }, h("span", {}, text));
    const close = () => shown.remove();
    if (undo) shown.append(h("button", { type: "button", class: "undo", onclick: () => { close(); this.app.act(undo.act, undo).then((done) => done && this.app.tell("undone", undo)); } }, this.app.t("undo")));
    shown.append(button("close", this.app.t("close"), { onclick: close }));
    this.element.append(shown);
    while (this.element.children.length > 3) this.element.firstChild.remove();
    let timer = 0;
    const wait = () => { timer = setTimeout(close, (undo ? UNDO_SECONDS : SECONDS[level] ?? 5) * 1000); };
    shown.addEventListener("pointerenter", () => clearTimeout(timer));
    shown.addEventListener("pointerleave", wait);
    wait();
  }

  /** A break that mends itself within a moment is not worth a word. */
  connection(up) {
    clearTimeout(this.timer);
    if (up) {
      this.lost?.remove();
      this.lost = null;
      return;
    }
    this.timer = setTimeout(() => {
      if (this.lost) return;
      this.lost = h("div", { class: "notice warning lost", role: "status" }, h("span", {}, this.app.t("connection.lost")));
      this.element.prepend(this.lost);
    }, 1500);
  }

  /** Resolves to whether the answer was yes; with a `value`, to the text that was entered, or null. */
  ask(text, yes, value) {
    const field = value === undefined ? null : h("input", { class: "field", maxlength: "60", "aria-label": text });
    if (field) field.value = value;
    const form = h("form", { method: "dialog" }, h("p", {}, text), field,
      h("div", { class: "row" }, h("button", { class: "plain", value: "no", type: "button", onclick: () => dialog.close("no") }, this.app.t("act.cancel")), h("button", { class: "main", value: "yes" }, yes)));
    const dialog = h("dialog", {}, form);
    this.element.after(dialog);
    dialog.showModal();
    field?.select();
    return new Promise((resolve) => dialog.addEventListener("close", () => {
      dialog.remove();
      const agreed = dialog.returnValue === "yes";
      resolve(field ? (agreed ? field.value.trim() : null) : agreed);
    }));
  }
}
