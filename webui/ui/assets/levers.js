// The side panel: presets, what the model is told first, how a reply begins, and the knobs in groups.

import { button, debounced, grow, h } from "./dom.js";
import { Knob } from "./knob.js";
import { Presets } from "./presets.js";
import { Shape } from "./shape.js";

const CHANGE_MS = 300;
const OPEN_KEY = "samovar.levers.groups";
const SHAPE = "shape";

export class Levers {
  constructor(app) {
    this.app = app;
    this.knobs = new Map();
    this.chosen = "";
    this.moving = null;
    this.presets = new Presets(app, this);
    // A shape that is half written is not kept yet: until it is good, the last good one is.
    this.save = debounced(() => app.act("levers", { levers: { ...this.value(), shape: this.shape.kept } }), CHANGE_MS);
    this.shape = new Shape(app, { touched: () => this.moving?.add(SHAPE), changed: () => this.save() });
    this.start = h("textarea", { rows: "1", class: "field", placeholder: app.t("levers.start_with.placeholder") });
    this.system = h("textarea", { rows: "2", class: "field", placeholder: app.t("levers.system.placeholder") });
    this.keepSystem = debounced(() => this.saveSystem(), 600);
    this.groups = app.table.groups.map((group) => this.group(group));
    this.element = h("div", { class: "levers" },
      this.presets.element,
      this.told("system-message", this.system, "levers.system"),
      this.told("start-with", this.start, "levers.start_with"),
      this.shape.element,
      h("div", { class: "groups" }, this.groups.map(({ element }) => element)));
    this.listen();
    app.levers = () => { this.save.cancel(); return this.value(); };
  }

  listen() {
    const { app } = this;
    this.start.addEventListener("input", () => { grow(this.start); this.changed(); });
    this.system.addEventListener("input", () => { grow(this.system); this.keepSystem(); });
    this.system.addEventListener("blur", () => this.keepSystem.flush());
    app.on("levers", (patch) => { if (patch.origin !== app.page) this.take(patch); });
    app.on("model", (patch) => this.allow(patch));
    app.on("dialogue", ({ chat, system }) => this.showSystem(chat ? chat.system : system ?? ""));
    app.on("system", ({ text }) => this.showSystem(text));
    app.on("leaving", () => { this.keepSystem.flush(); this.save.flush(); });
    addEventListener("pagehide", () => this.save.flush());
  }

  told(id, field, key) {
    return h("div", { class: "told" }, h("label", { id }, h("span", { class: "name" }, this.app.t(key)), field), h("small", {}, this.app.t(`${key}.help`)));
  }

  group({ name, label }) {
    const knobs = this.app.table.knobs.filter((knob) => knob.group === name);
    const count = h("span", { class: "count", hidden: true });
    const made = knobs.map((knob) => new Knob(this.app, knob, () => { this.moving?.add(knob.name); this.changed(); }));
    for (const knob of made) this.knobs.set(knob.knob.name, knob);
    if (name === this.app.table.alternatives.group) made.push(this.alternatives = new Knob(this.app, this.app.table.alternatives, () => this.changed()));
    const open = (localStorage.getItem(OPEN_KEY) ?? "basic").split(" ");
    const element = h("details", { class: "group", "data-group": name, open: open.includes(name) }, h("summary", {}, label, count), made.map((knob) => knob.element));
    element.addEventListener("toggle", () => this.remember());
    return { name, element, count, made };
  }

  remember() {
    localStorage.setItem(OPEN_KEY, this.groups.filter(({ element }) => element.open).map(({ name }) => name).join(" "));
  }

  /** What differs from neutral, by name. */
  sampling() {
    return Object.fromEntries([...this.knobs].filter(([, knob]) => knob.moved).map(([name, knob]) => [name, knob.value]));
  }

  value() {
    return { sampling: this.sampling(), start_with: this.start.value, preset: this.chosen, shape: this.shape.value, alternatives: this.alternatives.value };
  }

  take({ sampling, start_with, preset, shape, alternatives }) {
    // What was moved here a moment ago is later than what comes, and is on its way.
    if (this.save.due() && this.moving === null) return;
    this.save.cancel();
    // What the person moved after choosing a preset, and before it came, is meant to stay.
    const later = Object.fromEntries([...(this.moving ?? [])].filter((moved) => moved !== SHAPE).map((knob) => [knob, this.knobs.get(knob).value]));
    const reshaped = this.moving?.has(SHAPE) ?? false;
    this.moving = null;
    this.fill({ ...sampling, ...later });
    if (!reshaped) this.shape.value = shape;
    if (Object.keys(later).length || reshaped) this.save();
    if (document.activeElement !== this.start) this.start.value = start_with;
    grow(this.start);
    this.alternatives.value = alternatives;
    this.chosen = preset;
    this.drawCounts();
  }

  fill(sampling) {
    for (const [name, knob] of this.knobs) knob.value = sampling[name] ?? knob.knob.neutral;
  }

  changed() {
    this.drawCounts();
    this.save();
  }

  neutral() {
    this.fill({});
    this.shape.reset();
    this.chosen = "";
    this.changed();
  }

  drawCounts() {
    for (const { count, made } of this.groups) {
      const moved = made.filter((knob) => knob.moved).length;
      count.hidden = moved === 0;
      count.textContent = String(moved);
      count.title = this.app.t("levers.moved", { count: moved });
    }
    this.presets.draw();
  }

  /** Grey out what the loaded engine has not. */
  allow({ knobs, reasons, name }) {
    for (const [at, knob] of this.knobs) {
      const off = knobs !== null && !knobs.includes(at);
      knob.refuse(off ? reasons[at] ?? this.app.t("levers.unsupported", { name }) : null);
    }
    this.alternatives.refuse(reasons.alternatives ?? null);
  }

  showSystem(text) {
    if (document.activeElement !== this.system) this.system.value = text;
    this.kept = text;
    requestAnimationFrame(() => { grow(this.system); grow(this.start); });
  }

  saveSystem() {
    if (this.system.value.trim() === this.kept) return;
    this.kept = this.system.value.trim();
    this.app.act("system", { text: this.kept });
  }
}

/** The button in the head that folds the panel away and out. */
export function leversToggle(app, toggle) {
  const made = button("levers", app.t("levers.title"), { id: "levers-toggle", text: true, onclick: toggle });
  app.on("shaped", ({ on }) => {
    made.toggleAttribute("data-shaped", on);
    made.title = app.t(on ? "shape.on" : "levers.title");
  });
  return made;
}
