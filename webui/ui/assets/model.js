// The model that is loaded: its name and state in the head of the page, and behind it the panel that switches it.

import { h } from "./dom.js";
import { Shelf } from "./shelf.js";
import { bytes, last } from "./sizes.js";

const PEERS_MS = 3000;
const UNDER_WAY = new Set(["resolving", "downloading", "loading"]);

export class Model {
  constructor(app) {
    this.app = app;
    this.state = { state: "none", name: "", template: "" };
    this.label = h("span", { class: "name" });
    this.bar = h("i", { class: "progress" });
    this.button = h("button", { type: "button", id: "model", "aria-haspopup": "dialog", "aria-expanded": "false", onclick: () => this.toggle() }, h("span", { class: "dot" }), this.label, this.bar);
    this.now = h("section", { class: "now" });
    this.shelf = new Shelf(app);
    this.panel = h("div", { class: "popover", role: "dialog", "aria-label": app.t("model.title"), tabindex: "-1", hidden: true }, this.now);
    this.element = h("div", { class: "model" }, this.button, this.panel);
    this.peers = [];
    app.on("model", (patch) => this.take(patch));
    app.on("models", ({ peers }) => this.takePeers(peers));
    app.on("hello", ({ account }) => { if (account.owner) this.panel.append(this.shelf.element); else this.shelf.element.remove(); });
    document.addEventListener("pointerdown", (event) => { if (!this.element.contains(event.target)) this.close(); });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !this.panel.hidden) { this.close(); this.button.focus(); } });
  }

  take(patch) {
    const settled = this.state.reference !== patch.reference || UNDER_WAY.has(this.state.state) !== UNDER_WAY.has(patch.state);
    // Whoever has closed the panel is told as well.
    if (patch.error && this.underWay && this.panel.hidden && this.app.account.owner) this.app.notice("error", patch.error);
    this.state = patch;
    this.draw();
    if (settled && !this.panel.hidden) this.ask();
  }

  /** Engines elsewhere come and go: while somebody looks, they are looked at again and again. */
  takePeers(peers) {
    clearTimeout(this.again);
    const changed = JSON.stringify(peers) !== JSON.stringify(this.peers);
    this.peers = peers;
    if (this.panel.hidden) return;
    if (changed) this.drawNow();
    if (peers.length) this.again = setTimeout(() => { if (!this.panel.hidden) this.ask(); }, PEERS_MS);
  }

  get underWay() { return UNDER_WAY.has(this.state.state); }

  draw() {
    const { app, state: { state, name, coming, progress, error } } = this;
    const short = last(this.underWay ? coming : name);
    const percent = Math.floor(100 * (progress ?? 0));
    this.button.dataset.state = state;
    this.label.textContent = state === "none" ? app.t("model.none") : short;
    this.bar.style.width = this.underWay ? `${percent}%` : "0";
    const told = app.t(`model.${state}`, { name: short, percent });
    this.button.title = error || told;
    this.button.setAttribute("aria-label", `${app.t("model.title")}: ${short || told}`);
    if (!this.panel.hidden) this.drawNow();
  }

  toggle() {
    if (!this.panel.hidden) {
      this.close();
      return;
    }
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.drawNow();
    this.panel.focus();
    this.ask();
  }

  ask() { if (this.app.account.owner) this.app.live.send({ models: true }); }

  close() {
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  drawNow() {
    const { app, state, underWay } = this;
    const { owner } = app.account;
    // A button that goes away must not take the keyboard's place with it.
    const held = this.now.contains(document.activeElement);
    const act = (key, name) => owner && h("button", { type: "button", class: "plain", onclick: () => app.act(name) }, app.t(key));
    const percent = Math.floor(100 * (state.progress ?? 0));
    const there = Boolean(state.window);
    this.now.replaceChildren(...[
      h("div", { class: "title" }, h("h2", {}, there ? state.name : app.t(underWay ? "model.title" : "model.none")), there && !underWay && act("model.unload", "model-unload")),
      there && h("p", { class: "quiet" }, [app.t("model.ready"), state.engine].filter(Boolean).join(" · ")),
      state.error && h("p", { class: "mistake", role: "alert" }, [state.error, there && app.t("model.stays", { name: state.name })].filter(Boolean).join(" ")),
      underWay && h("div", { class: "coming" },
        h("div", {}, h("b", {}, last(state.coming)), h("span", { role: "status" }, app.t(`model.${state.state}`, { percent })), h("i", { class: "track" }, h("i", { style: `width: ${percent}%` }))),
        act("act.cancel", "model-cancel")),
      there && h("dl", {}, this.facts().map(([key, value]) => h("div", {}, h("dt", {}, app.t(key)), h("dd", {}, value)))),
      there && this.peers.length > 0 && this.crowd(),
    ].filter(Boolean));
    if (held && !this.now.contains(document.activeElement)) this.panel.focus();
  }

  crowd() {
    const { app } = this;
    const said = ({ engine, running, well }) => (well ? [engine, running && app.t("model.peer.busy", { running })].filter(Boolean).join(" · ") : app.t("model.peer.lost"));
    return h("ul", { class: "peers", "aria-label": app.t("model.peers") }, this.peers.map((peer) => h("li", { "data-well": peer.well }, h("span", {}, last(peer.address)), h("small", {}, said(peer)))));
  }

  facts() {
    const { app, state } = this;
    const tokens = (count) => app.t("model.tokens", { tokens: count });
    return [
      ["model.window", tokens(state.window)],
      ["model.trained", state.trained_window && state.trained_window !== state.window && tokens(state.trained_window)],
      ["model.quantization", [state.quantization, state.size && bytes(state.size, app)].filter(Boolean).join(" · ")],
      ["model.template", state.template === "engine" ? app.t("model.template.engine") : state.template.startsWith("own") ? app.t("model.template.own") : state.template],
      ["model.counts", state.exact ? "" : app.t("model.counts.estimate")],
    ].filter(([, value]) => value);
  }
}
