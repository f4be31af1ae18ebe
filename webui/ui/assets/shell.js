// The three parts of the page, the line at its top, and the drawers that the sides become on a phone.

import { button, h } from "./dom.js";
import { leversToggle } from "./levers.js";
import { SAMOVAR } from "./mark.js";

const NARROW = matchMedia("(max-width: 60rem)");
const TIGHT = matchMedia("(max-width: 75rem)");
const THEMES = { auto: ["auto", "light"], light: ["sun", "dark"], dark: ["moon", "auto"] };
const YEAR = 365 * 24 * 3600;
const LEVERS_KEY = "samovar.levers.open";

export class Shell {
  constructor(app, { chats, transcript, composer, levers, model, notices }) {
    this.app = app;
    const { t } = { t: (key) => app.t(key) };
    this.theme = h("button", { type: "button", id: "theme", onclick: () => this.turnTheme() });
    this.chatsToggle = button("menu", t("drawer.chats"), { id: "chats-toggle", onclick: () => this.toggle("chats") });
    this.leversToggle = leversToggle(app, () => this.toggle("levers"));
    this.head = h("header", { class: "head" }, this.chatsToggle, model.element, h("span", { class: "space" }), levers.presets.picker, this.leversToggle, this.theme);
    this.foot = h("div", { class: "house" });
    this.sides = {
      chats: h("aside", { class: "side left", "aria-label": t("chats.title") }, h("div", { class: "brand" }, h("span", { html: SAMOVAR }), "Samovar", button("close", t("close"), { class: "shut", onclick: () => this.set("chats", false) })), chats.element, this.foot),
      levers: h("aside", { class: "side right", "aria-label": t("levers.title") }, h("div", { class: "side-head" }, h("h2", {}, t("levers.title")), button("close", t("close"), { onclick: () => this.set("levers", false) })), levers.element),
    };
    this.veil = h("div", { class: "veil", onclick: () => this.closeDrawers() });
    this.element = h("div", { class: "house-of-three" }, this.sides.chats, h("main", {}, this.head, transcript.element, composer.element), this.sides.levers, this.veil, notices.element);
    const unfolded = !NARROW.matches && localStorage.getItem(LEVERS_KEY) === "1";
    this.set("chats", !NARROW.matches);
    this.set("levers", unfolded);
    NARROW.addEventListener("change", () => { this.set("chats", !NARROW.matches); if (NARROW.matches) this.set("levers", false); });
    TIGHT.addEventListener("change", () => { if (TIGHT.matches && this.element.classList.contains("with-levers")) this.set("chats", false); });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && NARROW.matches) this.closeDrawers(); });
    app.on("showing", () => { if (NARROW.matches) this.closeDrawers(); });
    app.on("hello", ({ sign_in, account }) => this.drawFoot(sign_in, account));
    this.drawTheme();
  }

  toggle(side) {
    this.set(side, !this.element.classList.contains(`with-${side}`));
  }

  set(side, open) {
    this.element.classList.toggle(`with-${side}`, open);
    const toggle = side === "chats" ? this.chatsToggle : this.leversToggle;
    toggle.setAttribute("aria-expanded", String(open));
    // What is folded away must not be found by the keyboard.
    this.sides[side].inert = !open;
    if (side === "levers" && !NARROW.matches) localStorage.setItem(LEVERS_KEY, open ? "1" : "0");
    if (open && TIGHT.matches) this.set(side === "chats" ? "levers" : "chats", false);
    if (open) this.app.tell("unfolded", { side });
  }

  closeDrawers() {
    this.set("chats", false);
    this.set("levers", false);
  }

  turnTheme() {
    const root = document.documentElement;
    root.dataset.theme = THEMES[root.dataset.theme]?.[1] ?? "auto";
    keep("samovar_theme", root.dataset.theme);
    this.drawTheme();
  }

  drawTheme() {
    const now = document.documentElement.dataset.theme;
    const label = this.app.t(`theme.${now}`);
    this.theme.replaceChildren(...button(THEMES[now][0], label).childNodes);
    this.theme.title = label;
    this.theme.setAttribute("aria-label", label);
  }

  drawFoot(signIn, account) {
    const { app } = this;
    const other = app.language === "ru" ? ["en", "English"] : ["ru", "Русский"];
    const language = button("globe", other[1], { id: "language", text: true, lang: other[0], title: app.t("language.title"), onclick: () => { keep("samovar_language", other[0]); location.reload(); } });
    const people = signIn && h("a", { href: "/people", class: "person" }, button("people", app.t("people.title")).firstChild, h("span", {}, account.name || app.t("people.title")));
    const out = signIn && h("form", { method: "post", action: "/sign-out" }, h("button", { title: app.t("sign_out"), "aria-label": app.t("sign_out") }, button("out", "").firstChild));
    this.foot.replaceChildren(...[people, out, language].filter(Boolean));
  }
}

function keep(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=lax`;
}
