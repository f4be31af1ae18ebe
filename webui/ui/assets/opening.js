// How a model is opened: the engine, the numbers of its weights, the device, and what is rarely needed.

import { button, copyText, h } from "./dom.js";
import { bytes } from "./sizes.js";

const NAMES = { llamacpp: "llama.cpp", transformers: "transformers" };

export class Opening {
  /** `load(reference, options)` is called when the person presses Load. */
  constructor(app, load) {
    this.app = app;
    this.load = load;
    this.card = null;
    this.element = h("div", { class: "opening", hidden: true });
    this.element.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.type === "number") this.submit(); });
  }

  /** Another model is looked at, of which nothing is known yet. */
  wait() {
    this.card = null;
    this.loadButton = null;
    this.element.hidden = true;
  }

  show(card) {
    const { app } = this;
    this.card = card;
    this.chosen = { backend: "", dtype: "", device: "", ctx: 0, threads: 0, gpu_layers: -1, trust_remote_code: false, ...card.kept };
    if (card.error) {
      this.element.replaceChildren(h("p", { class: "mistake" }, card.error));
      return;
    }
    const able = card.engines.filter((engine) => !engine.reason);
    this.loadButton = null;
    if (!able.length) {
      this.element.replaceChildren(this.engines(able));
      return;
    }
    this.sections = {
      engine: this.engines(able),
      remote: h("small", {}, app.t("model.remote.help")),
      takes: h("small", { class: "takes" }),
      weights: this.weights(),
      device: card.devices.length > 1 && this.device(),
      code: card.own_code && this.code(),
      more: this.more(),
    };
    this.loadButton = h("button", { type: "button", class: "main", onclick: () => this.submit() }, app.t(card.here || this.engine === "remote" ? "model.load" : "model.fetch"));
    this.element.replaceChildren(...[...Object.values(this.sections), h("div", { class: "row end" }, this.loadButton)].filter(Boolean));
    this.update();
  }

  submit() {
    if (!this.loadButton) return;
    const plain = { backend: "", dtype: "", device: "", ctx: 0, threads: 0, gpu_layers: -1, trust_remote_code: false };
    const seen = { ...plain, ...Object.fromEntries(Object.keys(plain).filter((name) => this.counts(name)).map((name) => [name, this.chosen[name]])) };
    this.load(this.card.reference, Object.fromEntries(Object.entries(seen).filter(([name, value]) => value !== plain[name])));
  }

  /** The engine that will run the model. */
  get engine() { return this.chosen.backend || (this.card.engines.find((engine) => !engine.reason)?.name ?? ""); }

  /** Whether a lever means something to the engine. */
  counts(name) {
    if (["dtype", "device", "trust_remote_code"].includes(name)) return this.engine === "transformers";
    if (name === "gpu_layers") return this.engine === "llamacpp";
    return name !== "threads" || this.engine !== "remote";
  }

  set(name, value) {
    this.chosen[name] = value;
    this.update();
  }

  update() {
    const { engine, sections, card } = this;
    const by = engine === "transformers";
    sections.remote.hidden = engine !== "remote";
    for (const name of ["weights", "device", "code"]) if (sections[name]) sections[name].hidden = !by;
    for (const each of sections.more.querySelectorAll("label")) each.hidden = !this.counts(each.dataset.lever);
    const heavy = engine === "llamacpp" && card.takes;
    sections.takes.hidden = !heavy;
    if (heavy) this.weigh(sections.takes, card.takes);
    for (const row of sections.weights?.querySelectorAll("label") ?? []) {
      const takes = card.dtypes.find(({ dtype }) => dtype === row.dataset.dtype);
      if (takes?.size) this.weigh(row.querySelector("small"), takes);
    }
  }

  /** Say what a model takes, and when that is more than there is. */
  weigh(line, { size, fits, possible }) {
    const { app, card } = this;
    const device = card.devices.find(({ kind }) => kind === this.chosen.device) ?? card.devices[0];
    const tight = possible && !fits.includes(device.kind);
    line.textContent = [app.t(line.className.includes("takes") ? "model.takes.memory" : "model.takes", { size: bytes(size, app) }), tight && app.t("model.tight", { free: bytes(device.free, app) })].filter(Boolean).join("; ");
    line.classList.toggle("warn", tight);
  }

  name(engine) { return engine === "remote" ? this.app.t("model.engine.remote") : NAMES[engine] ?? engine; }

  engines(able) {
    const { app, card } = this;
    const shown = card.engines.filter(({ reason }) => reason !== "address");
    if (shown.length < 2 && able.length) return null;
    const chip = (value, label, disabled) => h("label", {}, h("input", { type: "radio", name: "model-engine", value, checked: this.chosen.backend === value || (able.length === 1 && value === able[0].name), disabled, onchange: () => this.set("backend", value) }), h("span", {}, label));
    const why = shown.filter(({ reason }) => reason).map((engine) => this.why(engine));
    return h("fieldset", {}, h("legend", {}, app.t("model.engine")),
      h("div", { class: "chips" }, able.length > 1 && chip("", app.t("model.engine.auto", { name: this.name(able[0].name) }), false), ...shown.map(({ name, reason }) => chip(name, this.name(name), Boolean(reason)))), why);
  }

  why({ name, reason, install }) {
    const { app } = this;
    const said = h("small", {}, app.t(`model.cannot.${reason}`, { name: this.name(name) }));
    if (!install) return said;
    const copy = button("copy", app.t("act.copy"), { onclick: async () => { if (await copyText(install)) copy.replaceChildren(...button("check", "").childNodes); } });
    return h("div", {}, said, h("div", { class: "command" }, h("code", {}, install), copy));
  }

  weights() {
    const { app, card } = this;
    if (!card.engines.some(({ name, reason }) => name === "transformers" && !reason)) return null;
    const names = ["float32", "bfloat16", "float16", "int8", "int4"];
    const row = (value, label) => {
      const takes = card.dtypes.find(({ dtype }) => dtype === value);
      return h("label", { "data-dtype": value }, h("input", { type: "radio", name: "model-dtype", value, checked: this.chosen.dtype === value, disabled: takes !== undefined && !takes.possible, onchange: () => this.set("dtype", value) }), h("span", {}, label), h("small", {}));
    };
    return h("fieldset", { class: "weights" }, h("legend", {}, app.t("model.weights")),
      row("", card.unasked ? app.t("model.weights.auto", { name: app.t(`model.weights.${card.unasked}`) }) : app.t("model.weights.any")), ...names.map((name) => row(name, app.t(`model.weights.${name}`))),
      card.dtypes.some(({ possible }) => !possible) && h("small", {}, app.t("model.few_bits")),
      !card.unasked && h("small", {}, app.t("model.weights.later")));
  }

  device() {
    const { app, card } = this;
    const label = ({ kind, name, free }) => app.t("model.device.free", { name: kind === "cpu" ? app.t("model.device.cpu") : name || kind, free: bytes(free, app) });
    const options = [h("option", { value: "" }, app.t("model.device.auto")), ...card.devices.map((each) => h("option", { value: each.kind, selected: this.chosen.device === each.kind }, label(each)))];
    return h("label", { class: "line" }, h("span", {}, app.t("model.device")), h("select", { class: "field", onchange: (event) => this.set("device", event.target.value) }, options));
  }

  code() {
    const { app } = this;
    return h("label", { class: "tick" }, h("input", { type: "checkbox", id: "model-code", checked: this.chosen.trust_remote_code, onchange: (event) => this.set("trust_remote_code", event.target.checked) }), h("span", {}, app.t("model.code"), h("small", { class: "warn" }, app.t("model.code.help"))));
  }

  more() {
    const { app, card } = this;
    const auto = (value) => app.t("model.auto", { value });
    const line = (name, least, empty, placeholder) => h("label", { class: "line", "data-lever": name }, h("span", {}, app.t(`model.more.${name}`)), h("input", {
      class: "field", type: "number", id: `model-${name}`, min: least, step: 1, placeholder, value: this.chosen[name] === empty ? null : this.chosen[name],
      oninput: (event) => { this.chosen[name] = event.target.value === "" ? empty : Math.round(Number(event.target.value)); },
    }));
    const moved = ["ctx", "threads", "gpu_layers"].some((name) => card.kept[name] !== undefined);
    return h("details", { class: "more", open: moved }, h("summary", {}, app.t("model.more")),
      line("ctx", 256, 0, card.window ? auto(app.number.format(card.window)) : auto("")), line("threads", 1, 0, auto(app.number.format(card.cores))), line("gpu_layers", 0, -1, auto("")));
  }
}
