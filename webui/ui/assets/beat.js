// The signs that something goes on: they blink while one waits, and stand still beside text that comes.

// An endless animation would draw sixty frames a second, on the cores that the model needs. Each sign is dimmed by itself,
// as what changes at the root is work for the whole page; and each is looked for in its place, as there may be thousands
// of messages.
const BEAT_MS = 600;
const SIGNS = ["#chat-list > [data-busy]", "#status.busy", "#transcript > article:last-child[data-waiting]", "#model:is([data-state=resolving], [data-state=loading], [data-state=downloading])"];

/** Let the signs of a page blink from now on. */
export function beat(app) {
  let written = -BEAT_MS;
  app.on("writing", () => { written = performance.now(); });
  setInterval(() => {
    const still = performance.now() - written < BEAT_MS;
    for (const sign of SIGNS) {
      for (const found of document.querySelectorAll(sign)) found.toggleAttribute("data-dim", !still && !found.hasAttribute("data-dim"));
    }
  }, BEAT_MS);
}
