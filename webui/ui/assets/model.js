// The model that is loaded: its name and state in the head of the page, and the switch behind it.

import { button, h } from "./dom.js";

export class Model {
  constructor(app) {
    this.app = app;
    this.state = { state: "none", name: "" };
    this.label = h("span", { class: "name" });
    this.bar = h("i", { class: "progress" });
    this.button = h("button", { type: "button", id: "model", "aria-haspopup": "dialog", onclick: () => this.toggle() }, h("span", { class: "dot" }), this.label, this.bar);
    this.panel = h("div", { class: "popover", role: "dialog", "aria-label": app.t("model.title"), hidden: true });
    this.element = h("div", { class: "model" }, this.button, this.panel);
    app.on("model", (patch) => { this.state = patch; this.draw(); });
    app.on("models", ({ list }) => { this.models = list; this.drawPanel(); });
    document.addEventListener("pointerdown", (event) => { if (!this.element.contains(event.target)) this.close(); });
    this.element.addEventListener("keydown", (event) => { if (event.key === "Escape") { this.close(); this.button.focus(); } });
  }

  draw() {
    const { app, state: { state, name, progress, error } } = this;
    const short = name.split(/[\\/]/).at(-1);
    const percent = Math.floor(100 * (progress ?? 0));
    this.button.dataset.state = state;
    this.label.textContent = state === "none" ? app.t("model.none") : short;
    this.bar.style.width = progress === null || progress === undefined ? "0" : `${percent}%`;
    const told = app.t(`model.${state}`, { name: short, percent });
    this.button.title = error || told;
    this.button.setAttribute("aria-label", `${app.t("model.title")}: ${short || told}`);
    if (!this.panel.hidden) this.drawPanel();
  }

  toggle() {
    if (!this.panel.hidden) {
      this.close();
      return;
    }
    this.panel.hidden = false;
    this.drawPanel();
    if (this.app.account.owner) this.app.live.send({ models: true });
  }

  close() { this.panel.hidden = true; }

  drawPanel() {
    const { app, state } = this;
    const typed = this.field?.value ?? "";
    const percent = Math.floor(100 * (state.progress ?? 0));
    const facts = [
      ["model.window", state.window && app.t("model.tokens", { tokens: state.window })],
      ["model.trained", state.trained_window && state.trained_window !== state.window && app.t("model.tokens", { tokens: state.trained_window })],
      ["model.quantization", state.quantization],
      ["model.template", state.template.startsWith("own") ? app.t("model.template.own") : state.template],
    ].filter(([, value]) => value);
    this.panel.replaceChildren(...[
      h("h2", {}, state.state === "none" ? app.t("model.none") : state.name.split(/[\\/]/).at(-1)),
      h("p", { class: state.error ? "mistake" : "told" }, state.error || app.t(`model.${state.state}`, { name: state.name, percent })),
      facts.length ? h("dl", {}, facts.map(([key, value]) => h("div", {}, h("dt", {}, app.t(key)), h("dd", {}, value)))) : null,
      app.account.owner ? this.shelf() : null,
      app.account.owner ? this.form(typed) : null,
    ].filter(Boolean));
  }

  shelf() {
    const { app, state, models = [] } = this;
    if (!models.length) return null;
    const rows = models.map((model) => h("button", {
      type: "button", class: "shelf-row", disabled: model.broken, "aria-pressed": String(model.reference === state.reference), onclick: () => this.load(model.reference),
    }, h("span", {}, model.name), h("small", {}, model.broken ? app.t("model.broken") : [model.quantization, size(model.size, app)].filter(Boolean).join(" · "))));
    return h("div", { class: "shelf" }, h("h3", {}, app.t("model.local")), rows);
  }

  form(typed) {
    const { app } = this;
    this.field = h("input", { class: "field", id: "model-reference", placeholder: app.t("model.path"), "aria-label": app.t("model.path"), autocomplete: "off", spellcheck: "false" });
    this.field.value = typed;
    const form = h("form", {}, h("h3", {}, app.t("model.other")), h("div", { class: "row" }, this.field, h("button", { class: "main" }, app.t("model.load"))), h("small", {}, app.t("model.path.help")));
    form.addEventListener("submit", (event) => { event.preventDefault(); if (this.field.value.trim()) this.load(this.field.value.trim()); });
    return form;
  }

  async load(reference) {
    if (await this.app.act("model", { reference }) && this.field) this.field.value = "";
  }
}

function size(bytes, app) {
  const unit = bytes >= 1e9 ? ["gigabyte", bytes / 1e9, 1] : ["megabyte", bytes / 1e6, 0];
  return new Intl.NumberFormat(app.language, { style: "unit", unit: unit[0], maximumFractionDigits: unit[2] }).format(unit[1]);
}
