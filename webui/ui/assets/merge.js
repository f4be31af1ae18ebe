// What is shown already stays as it is, and with it what the reader has selected; only what differs is drawn anew.

/** Make the content of `old` like that of `fresh`, whose nodes may be taken. */
export function merge(old, fresh) {
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((node, at) => {
    const known = before[at];
    if (known === undefined) old.append(node);
    else if (known.nodeType === Node.TEXT_NODE && node.nodeType === Node.TEXT_NODE) grow(known, node.data);
    else if (known.isEqualNode(node)) return;
    else if (known.cloneNode(false).isEqualNode(node.cloneNode(false))) merge(known, node);
    else known.replaceWith(node);
  });
  for (const node of before.slice(after.length)) node.remove();
}

function grow(node, text) {
  if (text.startsWith(node.data)) node.appendData(text.slice(node.length));
  else node.data = text;
}
