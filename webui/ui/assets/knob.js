// One lever: its name, what it does, and the control that its kind of value wants. All are drawn from the knob table.

import { button, h } from "./dom.js";

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** `changed()` is called whenever the person has moved the lever. */
export class Knob {
  constructor(app, knob, changed) {
    this.knob = knob;
    this.changed = changed;
    this.control = CONTROLS[knob.kind](knob, () => { this.mark(); changed(); }, app);
    this.reset = button("reset", app.t("knob.reset"), { class: "reset", hidden: true, onclick: () => { this.value = knob.neutral; changed(); } });
    const help = h("small", { id: `help-${knob.name}` }, knob.help);
    this.reason = h("small", { class: "reason", hidden: true });
    for (const field of this.control.fields) field.setAttribute("aria-describedby", help.id);
    // A label takes a click on the name, and anything else that is meant for the control, to the control.
    const wrap = this.control.fields.length ? "label" : "div";
    this.element = h("div", { class: `knob ${knob.kind}` },
      h(wrap, { id: `knob-${knob.name}` }, h("span", { class: "name" }, knob.label), this.control.element), this.reset, help, this.reason);
    this.mark();
  }

  get value() { return this.control.get(); }

  set value(value) {
    this.control.set(value);
    this.mark();
  }

  get moved() { return !same(this.value, this.knob.neutral); }

  mark() {
    this.reset.hidden = !this.moved;
    this.element.classList.toggle("moved", this.moved);
  }

  /** Grey the lever out and say why, or (null) give it back. */
  refuse(reason) {
    this.reason.hidden = reason === null;
    this.reason.textContent = reason ?? "";
    this.element.toggleAttribute("data-off", reason !== null);
    for (const field of this.element.querySelectorAll("input, textarea, select, button:not(.reset)")) field.disabled = reason !== null;
  }
}

function number(knob, changed) {
  const whole = knob.kind === "int";
  const field = h("input", { type: "number", step: "any", min: knob.minimum, max: knob.maximum, inputmode: whole ? "numeric" : "decimal" });
  const sliding = knob.top !== null && knob.top < 1e6 && knob.minimum !== null;
  const slider = sliding ? h("input", { type: "range", min: knob.minimum, max: knob.top, step: knob.step, tabindex: "-1", "aria-label": knob.label }) : null;
  let kept = knob.neutral;
  const show = (value) => {
    kept = value;
    field.value = String(value);
    field.classList.remove("wrong");
    if (slider) {
      slider.value = String(value);
      slider.style.setProperty("--at", `${(100 * (Math.min(value, knob.top) - knob.minimum)) / (knob.top - knob.minimum)}%`);
    }
  };
  field.addEventListener("input", () => {
    const value = Number(field.value.replace(",", "."));
    const good = field.value.trim() !== "" && Number.isFinite(value) && (!whole || Number.isInteger(value))
      && value >= (knob.minimum ?? -Infinity) && value <= (knob.maximum ?? Infinity);
    field.classList.toggle("wrong", !good);
    if (!good) return;
    const typed = field.value;
    show(value);
    field.value = typed;
    changed();
  });
  field.addEventListener("blur", () => show(kept));
  slider?.addEventListener("input", () => { show(Number(Number(slider.value).toFixed(4))); changed(); });
  return { element: h("span", { class: "control" }, field, slider), fields: [field], get: () => kept, set: show };
}

function choice(knob, changed) {
  const field = h("select", {}, knob.choices.map((value) => h("option", { value }, String(value))));
  field.addEventListener("change", changed);
  return { element: h("span", { class: "control" }, field), fields: [field], get: () => Number(field.value), set: (value) => { field.value = String(value); } };
}

/** A field of text that stands for a list; what cannot be read is marked and not taken. */
function written(read, write, hint) {
  return (knob, changed) => {
    const field = h("textarea", { rows: "1", class: "field", placeholder: hint ?? "", spellcheck: "false" });
    let kept = knob.neutral;
    const show = (value) => { kept = value; field.value = write(value); field.rows = Math.max(1, field.value.split("\n").length); field.classList.remove("wrong"); };
    field.addEventListener("input", () => {
      const value = read(field.value);
      field.classList.toggle("wrong", value === null);
      field.rows = Math.max(1, field.value.split("\n").length);
      if (value === null) return;
      kept = value;
      changed();
    });
    field.addEventListener("blur", () => show(kept));
    return { element: h("span", { class: "control" }, field), fields: [field], get: () => kept, set: show };
  };
}

// Texts stand one in a line; a line end within one is written \n, as in most programs.
const ESCAPES = { "\\n": "\n", "\\t": "\t", "\\\\": "\\" };
const unescape = (line) => line.replace(/\\[nt\\]/g, (found) => ESCAPES[found]);
const escape = (text) => text.replace(/[\\\n\t]/g, (found) => Object.keys(ESCAPES).find((key) => ESCAPES[key] === found));
const lines = (text) => text.split("\n").filter((line) => line !== "");
const readTexts = (text) => [...new Set(lines(text).map(unescape))];
const readIds = (text) => { const ids = text.split(/[\s,;]+/).filter(Boolean).map(Number); return ids.every((id) => Number.isInteger(id) && id >= 0) ? ids : null; };
const readBias = (text) => {
  const pairs = lines(text).map((line) => line.split(/[:=\s]+/).filter(Boolean).map(Number));
  return pairs.every(([id, bias, ...rest]) => Number.isInteger(id) && id >= 0 && Number.isFinite(bias) && Math.abs(bias) <= 100 && !rest.length) ? pairs : null;
};

/** The order of the sampler's steps: a list whose rows move up and down and can be left out. */
function order(knob, changed, app) {
  const list = h("ol", { class: "order" });
  let rows = [];
  const draw = () => list.replaceChildren(...rows.map(({ step, on }, at) => h("li", { "data-off": !on },
    h("label", {}, h("input", { type: "checkbox", checked: on, onchange: () => { rows[at].on = !on; draw(); changed(); } }), step),
    button("up", app.t("order.up"), { disabled: at === 0, onclick: () => move(at, -1) }),
    button("down", app.t("order.down"), { disabled: at === rows.length - 1, onclick: () => move(at, 1) }))));
  const move = (at, by) => { [rows[at], rows[at + by]] = [rows[at + by], rows[at]]; draw(); changed(); };
  const set = (steps) => {
    rows = [...steps.map((step) => ({ step, on: true })), ...knob.neutral.filter((step) => !steps.includes(step)).map((step) => ({ step, on: false }))];
    draw();
  };
  set(knob.neutral);
  return { element: list, fields: [], get: () => rows.filter(({ on }) => on).map(({ step }) => step), set };
}

const CONTROLS = {
  float: number,
  int: number,
  choice,
  texts: written(readTexts, (texts) => texts.map(escape).join("\n")),
  ints: written(readIds, (ids) => ids.join(", "), "123, 456"),
  bias: written(readBias, (pairs) => pairs.map(([id, bias]) => `${id}: ${bias}`).join("\n"), "123: -5"),
  order,
};
