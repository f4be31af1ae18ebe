// Presets: chosen in the head of the page, saved, renamed and deleted in the panel.

import { button, h } from "./dom.js";

const same = (one, other) => JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

export class Presets {
  constructor(app, levers) {
    this.app = app;
    this.levers = levers;
    this.list = [];
    this.select = h("select", { title: app.t("preset.title"), "aria-label": app.t("preset.title") });
    this.select.addEventListener("change", () => this.choose());
    this.picker = h("label", { id: "preset", class: "picker" }, this.select);
    this.about = h("p", { class: "about" });
    this.name = h("input", { class: "field", placeholder: app.t("preset.name"), "aria-label": app.t("preset.name"), maxlength: "60", autocomplete: "off" });
    this.rename = button("edit", app.t("preset.rename"), { hidden: true, onclick: () => this.askName() });
    this.remove = button("trash", app.t("preset.delete"), { hidden: true, onclick: () => this.askRemove() });
    const neutral = button("reset", app.t("levers.neutral"), { id: "neutral", text: true, onclick: () => levers.neutral() });
    neutral.title = app.t("levers.neutral.title");
    this.form = h("form", { class: "row" }, h("label", { id: "preset-name" }, this.name), h("button", { id: "preset-save", class: "plain" }, app.t("preset.save")));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.save(); });
    this.element = h("section", { class: "presets" }, h("div", { class: "row" }, this.about, this.rename, this.remove), this.form, h("div", { class: "row" }, neutral));
    app.on("presets", ({ list }) => { this.list = list; this.draw(); });
  }

  get chosen() { return this.list.find(({ name }) => name === this.levers.chosen) ?? null; }

  draw() {
    const { app, chosen } = this;
    const group = (own, label) => {
      const rows = this.list.filter((preset) => preset.own === own);
      return rows.length ? h("optgroup", { label }, rows.map(({ name, title, error }) => h("option", { value: name }, error ? `${title} ⚠` : title))) : null;
    };
    const moved = chosen && !same(chosen.sampling, this.levers.sampling());
    const none = h("option", { value: "", hidden: true }, app.t(Object.keys(this.levers.sampling()).length ? "preset.none" : "levers.neutral"));
    const parts = [none, group(false, app.t("preset.shipped")), group(true, app.t("preset.own"))].filter(Boolean);
    this.select.replaceChildren(...parts);
    this.select.value = chosen?.name ?? "";
    this.picker.toggleAttribute("data-changed", Boolean(moved));
    this.picker.title = moved ? app.t("preset.changed") : "";
    const title = chosen ? chosen.title + (moved ? ` · ${app.t("preset.changed")}` : "") : none.textContent;
    this.about.replaceChildren(h("b", {}, title), h("span", {}, chosen ? chosen.error || chosen.description : ""));
    this.rename.hidden = this.remove.hidden = !chosen?.own;
  }

  async choose() {
    const name = this.select.value;
    this.levers.moving = new Set();
    if (!(await this.app.act("preset", { name }))) {
      this.levers.moving = null;
      this.draw();
    }
  }

  async save() {
    const { app } = this;
    const name = this.name.value.trim() || (this.chosen?.own ? this.chosen.name : "");
    if (!name) {
      this.name.focus();
      return;
    }
    const taken = this.list.some((preset) => preset.own && preset.name.toLowerCase() === name.toLowerCase());
    if (taken && !(await app.ask(app.t("preset.overwrite", { name }), app.t("confirm.overwrite")))) return;
    if (await app.act("preset-save", { name, levers: app.levers(), overwrite: taken })) {
      this.name.value = "";
      app.notice("info", app.t("preset.saved", { name }));
    }
  }

  async askName() {
    const { app, chosen } = this;
    const title = await app.askText(app.t("preset.rename"), chosen.name);
    if (title && title !== chosen.name) app.act("preset-rename", { name: chosen.name, title });
  }

  async askRemove() {
    const { app, chosen } = this;
    if (await app.ask(app.t("preset.delete.ask", { name: chosen.name }), app.t("preset.delete"))) app.act("preset-delete", { name: chosen.name });
  }
}
