// The page begins here: reads the table of words and knobs, puts the parts together, opens the channel.

import { App } from "./app.js";
import { beat } from "./beat.js";
import { Chats } from "./chats.js";
import { Composer } from "./composer.js";
import { Levers } from "./levers.js";
import { Meter } from "./meter.js";
import { Model } from "./model.js";
import { Notices } from "./notices.js";
import { Shell } from "./shell.js";
import { Transcript } from "./transcript.js";

/** Fill `element`; `trigger(data)` hands a command to the server. */
export async function start(element, trigger) {
  const root = document.documentElement;
  const answer = await fetch(new URL(`table.${root.dataset.language}.json`, import.meta.url));
  const app = new App(await answer.json(), trigger);
  // Gradio has put the browser's language here, which need not be the one that was picked.
  root.lang = app.language;
  const notices = new Notices(app);
  const chats = new Chats(app);
  const transcript = new Transcript(app);
  const levers = new Levers(app);
  const composer = new Composer(app, new Meter(app));
  const shell = new Shell(app, { chats, transcript, composer, levers, model: new Model(app), notices });
  (element.querySelector("#samovar") ?? element).replaceChildren(shell.element);
  app.on("goto", ({ chat }) => app.show(chat));
  addEventListener("popstate", () => app.show(app.addressed(), { push: false }));
  app.chat = app.live.chat = app.addressed();
  app.live.open();
  beat(app);
  root.dataset.usable = "true";
}
