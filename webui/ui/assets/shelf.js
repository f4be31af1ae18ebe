// The models that can be loaded: those on this computer, the engines that were used, and whatever is typed.

import { button, debounced, h } from "./dom.js";
import { Opening } from "./opening.js";
import { bytes, last } from "./sizes.js";

const TYPING_MS = 300;

export class Shelf {
  constructor(app) {
    this.app = app;
    this.chosen = "";
    this.opening = new Opening(app, (reference, options) => this.load(reference, options));
    this.local = h("div", { class: "rows" });
    this.engines = h("div", { class: "rows" });
    const key = { placeholder: app.t("model.path"), "aria-label": app.t("model.path") };
    this.field = h("input", { class: "field", id: "model-reference", autocomplete: "off", spellcheck: "false", autocapitalize: "off", enterkeyhint: "go", ...key });
    this.help = h("small", {}, app.t("model.path.help"));
    this.other = h("div", { class: "other" }, h("h3", {}, app.t("model.other")), this.field, this.help);
    this.element = h("section", { class: "shelf" }, this.local, this.engines, this.other);
    this.look = debounced(() => this.choose(this.field.value.trim()), TYPING_MS);
    this.field.addEventListener("input", () => { if (!this.field.value.trim()) this.choose(""); else this.look(); });
    this.field.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) this.submit(); });
    app.on("models", (patch) => this.learn(patch));
    app.on("card", (card) => { if (card.reference === this.chosen) { this.opening.show(card); this.place(); this.opening.element.scrollIntoView({ block: "nearest" }); } });
  }

  /** Look at a model; what is known of it comes as a card. "" folds the card away. */
  choose(reference) {
    this.look.cancel();
    this.chosen = reference;
    this.opening.wait();
    this.draw();
    if (reference) this.app.live.send({ look: reference });
  }

  submit() {
    const typed = this.field.value.trim();
    if (!typed) return;
    if (typed === this.chosen && this.opening.card) this.opening.submit();
    else this.load(typed, null);
  }

  async load(reference, options) {
    const typed = this.field.value.trim() === reference;
    if (!await this.app.act("model", { reference, options })) return;
    if (typed) this.field.value = "";
    this.choose("");
    this.element.closest(".popover").scrollTo({ top: 0 });
    this.element.closest(".popover").focus();
  }

  async forget(reference) {
    if (await this.app.act("model-forget", { reference })) this.app.live.send({ models: true });
  }

  /** What is as it was is not drawn again, so that the keyboard keeps its place. */
  learn({ list, engines }) {
    const known = { list, engines };
    if (JSON.stringify(known) === JSON.stringify(this.known)) return;
    this.known = known;
    this.draw();
  }

  draw() {
    const { app, known, opening } = this;
    // Whoever is choosing is not disturbed; the list is drawn once the card is folded.
    if (known === this.drawn || !opening.element.hidden) {
      this.place();
      return;
    }
    this.drawn = known;
    opening.element.remove();
    this.local.replaceChildren(...known.list.length ? [h("h3", {}, app.t("model.local")), ...known.list.map((model) => this.row(model))] : []);
    this.engines.replaceChildren(...known.engines.length ? [h("h3", {}, app.t("model.engines")), ...known.engines.map((shown) => this.engineRow(shown))] : []);
    this.place();
  }

  row(model) {
    const { app } = this;
    const facts = [model.quantization, bytes(model.size, app), model.window && app.t("model.window.short", { tokens: model.window })];
    return h("button", {
      type: "button", class: "shelf-row", disabled: model.broken, "data-reference": model.reference, "data-loaded": model.loaded, title: model.reference,
      "aria-expanded": "false", onclick: () => this.pick(model.reference),
    }, h("span", {}, model.name), h("small", {}, model.broken ? app.t("model.broken") : facts.filter(Boolean).join(" · ")));
  }

  engineRow(shown) {
    const { app } = this;
    const pick = h("button", { type: "button", class: "shelf-row", "data-reference": shown, "aria-expanded": "false", title: shown, onclick: () => this.pick(shown) }, h("span", {}, last(shown)));
    return h("div", { class: "row" }, pick, button("close", app.t("model.forget"), { onclick: () => this.forget(shown) }));
  }

  pick(reference) {
    this.field.value = "";
    this.choose(this.chosen === reference ? "" : reference);
  }

  /** Put the card under what it belongs to. */
  place() {
    const { chosen, opening, field } = this;
    for (const row of this.element.querySelectorAll(".shelf-row")) row.setAttribute("aria-expanded", String(row.dataset.reference === chosen));
    const typed = field.value.trim() === chosen;
    const row = chosen && !typed && [...this.element.querySelectorAll(".shelf-row")].find((at) => at.dataset.reference === chosen);
    const after = row ? row.closest(".row") ?? row : field;
    if (after.nextSibling !== opening.element) after.after(opening.element);
    opening.element.hidden = !chosen || !opening.card;
    this.help.hidden = !opening.element.hidden && after === field;
  }
}
