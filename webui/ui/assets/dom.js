// Making elements. Text goes in as text nodes; HTML only where the server has rendered and cleaned it (`html`).

const ICONS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM16 16l4.5 4.5",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 13l4.5 4.5L19 7",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  again: "M19 12a7 7 0 1 1-2-5M18 3v4.5h-4.5",
  forward: "M5 12h13M13 6.5 18.5 12 13 17.5",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM5 20c.6-3.6 3.4-5.5 7-5.5s6.4 1.9 7 5.5",
  people: "M9 12a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 19.5c.5-3.2 3-5 6-5s5.5 1.8 6 5M16 5.5a3.3 3.3 0 0 1 0 6.2M18 14.8c1.7.8 2.7 2.4 3 4.7",
  back: "M9 7 4 12l5 5M4.5 12H15a5 5 0 0 1 5 5v2",
  branch: "M7 5v14M7 12c6 0 9-1 9-5M16 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7 5",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  left: "M14 7l-5 5 5 5",
  right: "M10 7l5 5-5 5",
  down: "M7 10l5 5 5-5",
  up: "M7 14l5-5 5 5",
  close: "M6 6l12 12M18 6L6 18",
  levers: "M5 7h7M18 7h1M5 17h1M12 17h7M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4",
  moon: "M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z",
  auto: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 4v16",
  reset: "M5 12a7 7 0 1 0 2-5M6 3v4.5h4.5",
  save: "M5 5h11l3 3v11H5zM8 5v5h7V5M8 19v-5h8v5",
  out: "M10 5H5v14h5M10 12h10M16 8l4 4-4 4",
  globe: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM4 12h16M12 4c-5 5-5 11 0 16 5-5 5-11 0-16z",
};

/** Make an element. `on…` are listeners, `html` is trusted markup, true and false set or leave out an attribute. */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "html") made.innerHTML = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Make a line drawing of 24 by 24; it is decoration, its button has the name. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Make a button with an icon; `label` is its name, shown as text when `text` is set. */
export function button(name, label, { text = false, ...attributes } = {}) {
  return h("button", { type: "button", title: label, "aria-label": text ? null : label, ...attributes },
    icon(name), text ? h("span", {}, label) : null);
}

/** Call `work` once things have been quiet for `wait` milliseconds. `flush` calls it at once if it is due. */
export function debounced(work, wait) {
  let timer = 0;
  const later = () => { clearTimeout(timer); timer = setTimeout(() => { timer = 0; work(); }, wait); };
  later.due = () => timer !== 0;
  later.flush = () => { if (timer) { clearTimeout(timer); timer = 0; work(); } };
  later.cancel = () => { clearTimeout(timer); timer = 0; };
  return later;
}

/** Put text on the clipboard; over plain http there is only the old way. Resolves to whether it worked. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h("textarea", { class: "offscreen", readonly: true });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/** Let a textarea be as high as its text, up to what the style sheet allows. */
export function grow(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}
