// The shape of the answer: a kind, its text with what is wrong with it, and examples. The server checks as one types.

import { debounced, grow, h } from "./dom.js";

const CHECK_MS = 250;
const OPEN_KEY = "samovar.shape.open";
const KINDS = ["free", "json", "schema", "choices", "regex", "grammar"];
const WRITTEN = new Set(["schema", "choices", "regex", "grammar"]);

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

export class Shape {
  /** `touched()` is called when the person does anything here, `changed()` when there is another shape that is good. */
  constructor(app, { touched, changed }) {
    this.app = app;
    this.touched = touched;
    this.changed = changed;
    this.kind = "free";
    this.texts = new Map();
    this.asked = 0;
    this.wrong = null;
    this.kept = null;
    this.check = debounced(() => this.ask(), CHECK_MS);
    this.build();
    app.on("shape", ({ asked, wrong }) => { if (asked === this.asked) this.checked(wrong); });
    app.on("model", (patch) => this.allow(patch));
    app.on("connection", ({ up }) => { if (up && WRITTEN.has(this.kind)) this.check(); });
    this.draw();
  }

  build() {
    const { app } = this;
    this.count = h("span", { class: "count", hidden: true, title: app.t("shape.on") }, "1");
    this.kinds = new Map(KINDS.map((kind) => [kind, h("button", { type: "button", role: "radio", "data-kind": kind, onclick: () => this.pick(kind) }, app.t(`shape.${kind}`))]));
    const row = h("div", { class: "kinds", role: "radiogroup", "aria-label": app.t("shape.title") }, [...this.kinds.values()]);
    row.addEventListener("keydown", (event) => this.step(event));
    this.help = h("small", { class: "help" });
    this.field = h("textarea", { id: "shape-text", class: "field", rows: "3", spellcheck: "false", autocapitalize: "off", "aria-describedby": "shape-said" });
    this.field.addEventListener("input", () => this.typed());
    this.said = h("button", { type: "button", id: "shape-said", class: "said", hidden: true, title: app.t("shape.goto"), onclick: () => this.goTo() });
    this.reason = h("small", { class: "reason", hidden: true });
    this.examples = new Map(Object.keys(EXAMPLES).map((name) => [name, h("button", { type: "button", "data-example": name, onclick: () => this.example(name) }, app.t(`shape.example.${name}`))]));
    const examples = h("p", { class: "examples" }, h("span", {}, app.t("shape.examples")), [...this.examples.values()]);
    this.element = h("details", { id: "shape", class: "group shape", open: localStorage.getItem(OPEN_KEY) === "yes" },
      h("summary", {}, app.t("shape.title"), this.count), row, this.help, this.reason, this.field, this.said, examples);
    this.element.addEventListener("toggle", () => { localStorage.setItem(OPEN_KEY, this.element.open ? "yes" : "no"); grow(this.field); });
  }

  /** What is sent: null for a free reply. */
  get value() {
    if (this.kind === "free") return null;
    if (this.kind === "json") return { kind: "json" };
    return this.kind === "choices" ? { kind: "choices", choices: lines(this.text) } : { kind: this.kind, text: this.text };
  }

  set value(shape) {
    this.kept = shape ?? null;
    // What is half written stays.
    if (!this.good) return;
    this.kind = shape?.kind ?? "free";
    const text = shape?.choices ? shape.choices.join("\n") : shape?.text ?? "";
    if (WRITTEN.has(this.kind) && !(document.activeElement === this.field && this.field.value !== "")) this.texts.set(this.kind, text);
    this.wrong = null;
    this.draw();
  }

  /** Let replies be free again, whatever was half written. */
  reset() {
    this.kind = "free";
    this.wrong = this.kept = null;
    this.draw();
  }

  /** Whether it can be kept to, as far as is known. */
  get good() { return this.wrong === null && (!WRITTEN.has(this.kind) || this.text.trim() !== ""); }

  get text() { return this.texts.get(this.kind) ?? ""; }

  pick(kind) {
    if (kind === this.kind) return;
    this.touched();
    this.kind = kind;
    this.wrong = null;
    this.draw();
    this.kinds.get(kind).focus({ preventScroll: true });
    if (WRITTEN.has(kind)) this.check(); else this.keep();
  }

  /** The arrow keys go from kind to kind, as between radio buttons. */
  step(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const able = KINDS.filter((kind) => !this.kinds.get(kind).disabled);
    this.pick(able[(able.indexOf(this.kind) + by + able.length) % able.length]);
  }

  typed() {
    this.touched();
    this.texts.set(this.kind, this.field.value);
    grow(this.field);
    this.said.dataset.stale = "";
    this.check();
  }

  ask() {
    this.asked += 1;
    if (this.value !== null) this.app.live.send({ shape: this.value, asked: this.asked });
  }

  checked(wrong) {
    this.wrong = wrong;
    this.drawSaid();
    if (this.good) this.keep();
  }

  keep() {
    this.kept = this.value;
    this.changed();
  }

  example(name) {
    this.touched();
    const { kind, text } = EXAMPLES[name];
    this.kind = kind;
    this.texts.set(kind, text((word) => this.app.t(`shape.word.${word}`)));
    this.wrong = null;
    this.draw();
    this.check();
  }

  draw() {
    const { app, kind } = this;
    for (const [name, button] of this.kinds) {
      button.setAttribute("aria-checked", String(name === kind));
      button.tabIndex = name === kind ? 0 : -1;
    }
    this.help.textContent = app.t(`shape.${kind}.help`);
    this.field.hidden = !WRITTEN.has(kind);
    this.field.value = this.text;
    this.field.setAttribute("aria-label", app.t(kind === "choices" ? "shape.choices.editor" : "shape.editor"));
    this.count.hidden = kind === "free";
    app.tell("shaped", { on: kind !== "free" });
    this.drawReason();
    this.drawSaid();
    requestAnimationFrame(() => grow(this.field));
  }

  drawSaid() {
    const { app, wrong, kind } = this;
    delete this.said.dataset.stale;
    this.said.hidden = !WRITTEN.has(kind) || this.text.trim() === "";
    this.field.classList.toggle("wrong", wrong !== null && !this.said.hidden);
    this.said.classList.toggle("bad", wrong !== null);
    this.said.disabled = wrong === null;
    if (wrong === null) this.said.replaceChildren(app.t("shape.good"));
    else this.said.replaceChildren(h("b", {}, app.t("shape.place", wrong)), wrong.path && wrong.path !== "$" ? h("code", {}, wrong.path) : "", h("span", {}, wrong.reason));
  }

  /** Put the cursor where the mistake is, and mark the rest of its line. */
  goTo() {
    if (this.wrong === null) return;
    const rows = this.field.value.split("\n");
    const { line, column } = this.kind === "choices" ? this.line() : this.wrong;
    const start = rows.slice(0, line - 1).reduce((at, row) => at + row.length + 1, 0);
    this.field.focus();
    this.field.setSelectionRange(start + column - 1, Math.max(start + column, start + (rows[line - 1]?.length ?? 0)));
    this.field.scrollTop = (this.field.scrollHeight * Math.max(0, line - 3)) / rows.length;
  }

  /** The choices leave out empty lines, so their numbers are not those of the lines. */
  line() {
    const rows = this.field.value.split("\n").map((row, at) => [row.trim(), at + 1]).filter(([row]) => row);
    return { line: rows[this.wrong.line - 1]?.[1] ?? 1, column: 1 };
  }

  /** Grey out what the loaded engine cannot keep to. */
  allow({ shapes, reasons }) {
    this.refused = new Map(KINDS.slice(1).filter((kind) => shapes !== null && !shapes.includes(kind))
      .map((kind) => [kind, reasons[`constraint.${kind}`] ?? this.app.t("shape.unsupported")]));
    for (const [kind, button] of this.kinds) {
      button.disabled = this.refused.has(kind) && kind !== this.kind;
      button.title = this.refused.get(kind) ?? "";
    }
    for (const [name, button] of this.examples) {
      button.disabled = this.refused.has(EXAMPLES[name].kind);
      button.title = this.refused.get(EXAMPLES[name].kind) ?? "";
    }
    this.drawReason();
  }

  /** Say why what is chosen cannot be had, or what else cannot. */
  drawReason() {
    const { app, refused = new Map() } = this;
    const names = [...refused.keys()].map((kind) => app.t(`shape.${kind}`)).join(", ");
    const others = refused.size === KINDS.length - 1 ? app.t("shape.unsupported") : app.t("shape.unsupported.some", { names });
    const reason = refused.get(this.kind) ?? (refused.size ? others : "");
    this.reason.hidden = !reason;
    this.reason.textContent = reason;
  }
}

const written = (schema) => JSON.stringify(schema, null, 2);
const record = (properties) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });

const EXAMPLES = {
  yes_no: { kind: "choices", text: (word) => [word("yes"), word("no")].join("\n") },
  list: { kind: "schema", text: () => written({ type: "array", items: { type: "string", maxLength: 60 }, minItems: 3, maxItems: 7 }) },
  record: { kind: "schema", text: (word) => written(record({
    [word("name")]: { type: "string", maxLength: 60 },
    [word("year")]: { type: "integer", minimum: 0, maximum: 2100 },
    [word("about")]: { type: "string", maxLength: 200 },
    [word("tags")]: { type: "array", items: { type: "string", maxLength: 20 }, maxItems: 4 },
  })) },
  table: { kind: "schema", text: (word) => written({ type: "array", minItems: 2, maxItems: 6, items: record({
    [word("country")]: { type: "string", maxLength: 30 },
    [word("capital")]: { type: "string", maxLength: 30 },
    [word("population")]: { type: "integer", minimum: 0, maximum: 2000000000 },
  }) }) },
};
