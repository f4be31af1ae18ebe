"""A person at the page, timed by the page itself: from the click to what is painted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.conftest import QUIET

WAIT_MS = 180_000

_WATCH = """
() => {
  const list = document.querySelector("#transcript");
  const known = new Set([...list.querySelectorAll("article")].map((article) => article.dataset.id));
  window.timed = new Promise((resolve) => {
    const found = { clicked: null, first: null, last: null };
    // A frame that has been drawn: the task after the one that draws.
    const painted = (name) => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        found[name] = performance.now();
        if (name === "last") resolve({ ...found, text: reply().textContent.trim() });
      };
      channel.port2.postMessage(null);
    });
    const reply = () => list.querySelector("article:last-of-type .body");
    let begun = false, busy = false;
    addEventListener("click", (event) => { found.clicked ??= event.timeStamp; }, { capture: true, once: true });
    const observer = new MutationObserver(() => {
      const article = list.querySelector("article:last-of-type");
      const now = list.hasAttribute("data-busy");
      const fresh = article?.dataset.role === "assistant" && !known.has(article.dataset.id);
      if (!begun && fresh && reply().textContent.trim()) {
        begun = true;
        painted("first");
      }
      if (busy && !now && begun) {
        observer.disconnect();
        painted("last");
      }
      busy = now;
    });
    const text = { childList: true, subtree: true, characterData: true };
    observer.observe(list, { ...text, attributes: true, attributeFilter: ["data-busy"] });
  });
}
"""
"""The first word of a new reply and the end of it, in milliseconds of the page's own clock."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds from the click until the first words of a reply, and the whole of it, are on the screen; its text."""

    first: float
    last: float
    text: str


@contextmanager
def chromium() -> Iterator[Browser]:
    """Open Chromium without a window."""
    program = os.environ.get("SAMOVAR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


def visit(browser: Browser, url: str, chat: int | None = None) -> Page:
    """Open the page, or one of its chats, and wait until it is usable."""
    page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
    page.goto(url if chat is None else f"{url}/#{chat}")
    page.wait_for_selector("#transcript[data-ready]")
    page.wait_for_selector('#model[data-state="ready"]', timeout=WAIT_MS)
    return page


def go(page: Page, chat: int) -> None:
    """Go to a chat by its row in the list, and wait until its messages have taken the place of those here."""
    if page.evaluate("location.hash") == f"#{chat}":
        return
    here = page.evaluate("document.querySelector('#transcript article')?.dataset.id")
    page.click(f'#chat-list [data-chat="{chat}"] a')
    there = "document.querySelector('#transcript article')?.dataset.id"
    page.wait_for_function(f"here => ![here, undefined].includes({there})", arg=here)


def unfold(page: Page, size: int) -> None:
    """Read up to the beginning, until all `size` messages have been on the page, and go back down."""
    scroll = "document.querySelector('.reading .scroll')"
    while page.locator("#transcript article").count() < size:
        page.evaluate(f"{scroll}.scrollTop = 0")
        page.wait_for_timeout(20)
    page.evaluate(f"{scroll}.scrollTop = {scroll}.scrollHeight")


def timed(page: Page, button: str) -> Timed:
    """Press a button that begins a reply and wait for its end."""
    page.evaluate(_WATCH)
    page.click(button)
    found = page.evaluate("timed")
    return Timed(
        (found["first"] - found["clicked"]) / 1000, (found["last"] - found["clicked"]) / 1000, str(found["text"])
    )
