// How the model's window is filled: a thin bar above the input box, and its figures.

import { h } from "./dom.js";

export class Meter {
  constructor(app) {
    this.app = app;
    this.used = h("i", { class: "used" });
    this.draft = h("i", { class: "draft" });
    this.reserve = h("i", { class: "reserve" });
    this.element = h("div", { id: "context-meter", role: "meter", "aria-label": app.t("meter.title"), "aria-valuemin": "0" }, this.used, this.draft, this.reserve);
    this.label = h("span", { class: "figures" });
    app.on("meter", (patch) => this.draw(patch));
    app.on("model", ({ window }) => { if (!window) this.clear(); });
  }

  draw({ used, window, reserve, dropped, draft, exact, error }) {
    const { app, element } = this;
    Object.assign(element.dataset, { used, window, dropped, reserve });
    element.setAttribute("aria-valuenow", used);
    element.setAttribute("aria-valuemax", window);
    const share = (tokens) => `${Math.min(100, (100 * tokens) / Math.max(1, window))}%`;
    this.used.style.width = share(Math.max(0, used - draft));
    this.draft.style.width = share(draft);
    this.reserve.style.width = share(reserve);
    element.classList.toggle("error", Boolean(error));
    const text = error || [app.t(exact ? "meter.used" : "meter.about", { used, window }), dropped ? app.t("meter.dropped", { dropped }) : ""].filter(Boolean).join(" · ");
    element.setAttribute("aria-valuetext", text);
    this.label.textContent = text;
    this.label.classList.toggle("error", Boolean(error));
    this.label.title = element.title = [app.t("meter.reserve", { reserve }), draft ? app.t("meter.draft", { draft }) : "", dropped ? app.t("meter.dropped.title", { dropped }) : ""].filter(Boolean).join("\n");
  }

  clear() {
    this.label.textContent = "";
    for (const part of [this.used, this.draft, this.reserve]) part.style.width = "0";
  }
}
