// The replies that a beam search found, as a tree: what they begin with stands once, the reply that was taken is marked.

import { h } from "./dom.js";

/** Make the disclosure under a reply. `found` are [parent, text, rating], parents first; it is drawn when it is opened. */
export function beams(app, found) {
  const count = found.filter(([, , rating]) => rating !== null).length;
  const box = h("details", { class: "beams" }, h("summary", { title: app.t("beams.help") }, app.t("beams.title", { beams: count })));
  box.addEventListener("toggle", () => box.append(h("p", {}, app.t("beams.help")), tree(app, found)), { once: true });
  return box;
}

function tree(app, found) {
  const ratings = found.map(([, , rating]) => rating).filter((rating) => rating !== null).sort((one, other) => other - one);
  const taken = new Set();
  for (let at = found.findIndex(([, , rating]) => rating === ratings[0]); at >= 0; at = found[at][0]) taken.add(at);
  const root = h("ul", { class: "beam-tree", tabindex: 0 });
  const items = [];
  for (const [at, [parent, text, rating]] of found.entries()) {
    const place = rating === null ? null : ratings.indexOf(rating) + 1;
    items.push(h("li", { class: taken.has(at) ? "taken" : null }, h("span", { class: "piece" }, text || "…"),
      place && h("span", { class: "rating", title: app.t("beams.rating", { place, rating: minus(rating.toFixed(3)) }) }, `${place} · ${minus(rating.toFixed(2))}`)));
    if (parent < 0) root.append(items[at]);
    else (items[parent].querySelector(":scope > ul") ?? items[parent].appendChild(h("ul"))).append(items[at]);
  }
  return root;
}

function minus(number) {
  return number.replace("-", "−");
}
