// The dialogue: keeps the articles, applies the patches that touch them, and stays at the end while text comes.

import { button, debounced, h } from "./dom.js";
import { Article } from "./article.js";
import { SAMOVAR } from "./mark.js";

const NEAR = 90;
// From so far below the first message on the page, what is above it is fetched.
const EARLY = 400;
// So many messages stay on the page once the reader has been at the end for a while: what the browser does for each frame
// grows with them, and the model may need the same processor.
const KEPT = 60;
const FOLD_MS = 1000;

export class Transcript {
  constructor(app) {
    this.app = app;
    this.articles = new Map();
    this.chat = null;
    this.firstInside = null;
    this.stuck = true;
    this.leave = debounced(() => this.fold(), FOLD_MS);
    this.earlier = button("up", app.t("older.load"), { text: true, class: "quiet earlier", hidden: true, onclick: () => this.askOlder() });
    this.edge = h("div", { class: "edge", role: "separator" }, h("span", {}, app.t("meter.edge")));
    this.list = h("div", { id: "transcript", "aria-label": app.t("transcript.title"), role: "log", "aria-live": "off" });
    this.greeting = h("div", { class: "greeting" });
    this.down = button("down", app.t("scroll.down"), { class: "down", hidden: true, onclick: () => this.toEnd(true) });
    this.scroller = h("div", { class: "scroll", tabindex: "-1" }, this.earlier, this.list, this.greeting);
    this.element = h("div", { class: "reading" }, this.scroller, this.down);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.list.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(() => this.follow()).observe(this.list);
    new ResizeObserver(() => this.follow()).observe(this.scroller);
    this.subscribe();
  }

  subscribe() {
    const { app } = this;
    app.on("dialogue", (patch) => this.replace(patch));
    app.on("older", (patch) => this.prepend(patch));
    app.on("article", (patch) => this.put(patch));
    app.on("gone", ({ id }) => { this.rescue(id); this.articles.get(id)?.element.remove(); this.articles.delete(id); this.greet(); });
    app.on("writing", (patch) => { this.articles.get(patch.id)?.write(patch); });
    app.on("status", (patch) => this.status(patch));
    app.on("meter", (patch) => { this.firstInside = patch.first_inside; this.drawEdge(); });
    app.on("model", (patch) => { this.model = patch; this.greet(); });
    app.on("drawn", () => this.follow());
    app.on("connection", ({ up }) => { if (!up) this.asking = false; });
  }

  /** What was being written into a message that leaves the page goes into the input box. */
  rescue(id) {
    const text = this.articles.get(id)?.edited;
    if (!text) return;
    this.app.tell("rescued", { text });
    this.app.notice("warning", this.app.t("act.edit.rescued"));
  }

  get last() { return [...this.articles.values()].at(-1) ?? null; }

  replace({ chat, articles, older }) {
    const same = this.ready && this.chat === (chat?.id ?? null);
    const kept = same && !this.stuck ? this.scroller.scrollTop : null;
    const editing = new Map([...this.articles].filter(([, article]) => article.editor));
    const there = new Set(articles.map(({ id }) => id));
    if (same) for (const id of editing.keys()) if (!there.has(id)) this.rescue(id);
    this.chat = chat?.id ?? null;
    this.asking = false;
    this.articles.clear();
    const made = articles.map((data) => {
      const article = same && editing.get(data.id) ? editing.get(data.id).update(data) : new Article(this.app, data);
      this.articles.set(data.id, article);
      return article.element;
    });
    this.list.replaceChildren(...made);
    this.earlier.hidden = !older;
    this.ready = true;
    this.list.dataset.ready = "";
    this.stuck = kept === null;
    this.greet();
    this.drawEdge();
    if (kept === null) this.toEnd(false); else this.scroller.scrollTop = kept;
    this.seek();
  }

  prepend({ articles, older }) {
    const before = this.scroller.scrollHeight - this.scroller.scrollTop;
    const fresh = articles.filter((data) => !this.articles.has(data.id)).map((data) => new Article(this.app, data));
    this.articles = new Map([...fresh.map((article) => [article.id, article]), ...this.articles]);
    this.list.prepend(...fresh.map((article) => article.element));
    this.earlier.hidden = !older;
    this.asking = false;
    this.drawEdge();
    this.scroller.scrollTop = this.scroller.scrollHeight - before;
    this.seek();
  }

  put({ article: data, after }) {
    const known = this.articles.get(data.id);
    if (known) {
      known.update(data);
      return;
    }
    if (after !== null && !this.articles.has(after)) return;
    const article = new Article(this.app, data);
    if (after === null) this.list.prepend(article.element); else this.articles.get(after).element.after(article.element);
    this.articles = new Map([...this.list.querySelectorAll("article")].map((element) => {
      const id = Number(element.dataset.id);
      return [id, id === data.id ? article : this.articles.get(id)];
    }));
    if (data.role === "user") this.stuck = true;
    this.greet();
    this.drawEdge();
    this.seek();
  }

  status({ phase, speaker }) {
    const busy = phase !== "idle";
    this.list.toggleAttribute("data-busy", busy);
    this.app.busy = busy;
    const writing = busy && speaker === "assistant";
    for (const article of this.articles.values()) article.waiting(writing && article.data.state === "writing" ? phase : null);
  }

  /** Take messages far above off the page; they come back when the reader goes up. */
  fold() {
    const all = [...this.articles.values()];
    const far = all.slice(0, -KEPT);
    if (!this.stuck || this.asking || this.app.sought || !far.length || far.some(({ editor }) => editor)) return;
    const above = this.scroller.getBoundingClientRect().top - all.at(-KEPT).element.getBoundingClientRect().top;
    if (above < 2 * EARLY || !getSelection().isCollapsed) return;
    for (const { id, element } of far) {
      element.remove();
      this.articles.delete(id);
    }
    this.earlier.hidden = false;
    this.drawEdge();
  }

  /** Mark what the model does not see, and draw the line where its window begins. */
  drawEdge() {
    const inside = this.firstInside === null ? null : this.articles.get(this.firstInside);
    let outside = Boolean(inside);
    for (const article of this.articles.values()) {
      if (article === inside) outside = false;
      article.element.toggleAttribute("data-outside", outside);
    }
    if (inside) inside.element.before(this.edge); else this.edge.remove();
  }

  greet() {
    const empty = this.ready && this.articles.size === 0;
    this.greeting.hidden = !empty;
    if (!empty) return;
    const { app, model } = this;
    const ready = model?.state === "ready";
    const line = ready ? app.t("greeting.model", { model: model.name, window: model.window })
      : model?.state === "none" ? app.t("greeting.no_model") : "";
    const tries = [1, 2, 3].map((at) => h("button", { type: "button", onclick: () => app.tell("try", { text: app.t(`greeting.try${at}.text`) }) },
      app.t(`greeting.try${at}`)));
    this.greeting.replaceChildren(
      h("div", { class: "samovar-mark", html: SAMOVAR }), h("h1", {}, app.t("greeting.title")), h("p", {}, line),
      h("div", { class: "tries" }, tries));
  }

  clicked(event) {
    const pressed = event.target.closest("button[data-act]");
    if (pressed) this.articles.get(Number(pressed.closest("article").dataset.id))?.press(pressed.dataset.act);
  }

  askOlder() {
    const first = [...this.articles.keys()][0];
    if (first === undefined || this.asking) return;
    this.asking = true;
    this.app.live.send({ older: first });
  }

  /** Scroll to the message that was looked for, fetching what is above until it is there. */
  seek() {
    const { sought } = this.app;
    if (!sought || this.chat !== this.app.chat) return;
    const article = this.articles.get(sought);
    if (article) {
      this.app.sought = this.turned = null;
      this.stuck = false;
      article.element.scrollIntoView({ block: "center" });
      article.flash();
    } else if (!this.earlier.hidden) this.askOlder();
    else if (this.turned !== sought) {
      // It stands in a version that is not read now.
      this.turned = sought;
      this.app.act("read", { id: sought }).then((done) => { if (!done) this.app.sought = null; });
    }
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const rest = scrollHeight - clientHeight - scrollTop;
    // Text that arrives moves the end away, which is no wish of the reader's; going up is.
    if (rest < NEAR) this.stuck = true;
    else if (scrollTop < (this.top ?? 0) - 2) this.stuck = false;
    if (!this.stuck) this.leave.cancel();
    else if (!this.leave.due()) this.leave();
    this.top = scrollTop;
    // To set what is set already would be work for the browser, in each frame.
    if (this.down.hidden !== rest < 3 * NEAR) this.down.hidden = rest < 3 * NEAR;
    if (scrollTop < EARLY && !this.earlier.hidden && this.ready) this.askOlder();
  }

  follow() {
    if (this.stuck) this.toEnd(false);
  }

  toEnd(smooth) {
    this.stuck = true;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
    this.top = this.scroller.scrollTop;
  }
}
