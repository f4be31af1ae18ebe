"""The page leaves the processor to the model: it draws when there is something new, and only what is near."""

from collections.abc import Callable

from playwright.sync_api import expect

from backends.scripted import Script
from tests.e2e.site import Chat, Site

Open = Callable[..., Site]
Visit = Callable[..., Chat]

KEPT = 60
"""Messages that stay on the page when a reply begins."""
_FRAMES = """
() => new Promise((resolve) => {
  let frames = 0;
  const loop = () => { frames += 1; requestAnimationFrame(loop); };
  requestAnimationFrame(loop);
  setTimeout(() => resolve(frames), 1500);
})
"""

_DIMMED = """
() => new Promise((resolve) => {
  let dimmed = 0;
  const count = (changes) => { dimmed += changes.filter(({ target }) => target.hasAttribute("data-dim")).length; };
  new MutationObserver(count).observe(document.body, { subtree: true, attributeFilter: ["data-dim"] });
  setTimeout(() => resolve(dimmed), 1000);
})
"""


def test_what_asks_for_every_frame_gets_one_a_second(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    assert 1 <= chat.page.evaluate(_FRAMES) <= 3


def test_nothing_is_animated_while_a_reply_is_written(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["word " * 200], delay=0.01, prefill_delay=2)).url)
    chat.type("go")
    chat.page.click("#send")
    chat.page.wait_for_selector("#chat-list [data-busy][data-dim]")
    chat.page.wait_for_selector("#chat-list [data-busy]:not([data-dim])")
    chat.until(lambda: "word" in "".join(chat.texts()))
    chat.page.wait_for_timeout(700)  # until buttons have changed their colours, and one beat has passed
    assert chat.page.evaluate("document.getAnimations().length") == 0
    assert chat.page.evaluate(_DIMMED) == 0, "text that comes is a sign itself"
    chat.page.click("#stop")
    chat.idle()


def test_what_is_selected_stays_so_while_the_text_grows(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["first *words* and " + "more " * 200], delay=0.02)).url)
    chat.type("go")
    chat.page.click("#send")
    chat.until(lambda: "words and" in "".join(chat.texts()))
    chat.page.evaluate("getSelection().selectAllChildren(document.querySelector('.open em'))")
    before = len(chat.texts()[-1])
    chat.until(lambda: len(chat.texts()[-1]) > before + 50)
    assert chat.page.evaluate("getSelection().toString()") == "words"
    chat.page.click("#stop")
    chat.idle()


def test_far_messages_leave_the_page_once_one_is_at_the_end_and_come_back(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["word " * 100], delay=0.01))
    history = opened.services.history
    talk = history.create_chat(1, "long")
    parent = None
    for number in range(150):
        parent = history.add_message(1, talk.id, parent, ("user", "assistant")[number % 2], f"message {number}").id
    chat = visit(f"{opened.url}/#{talk.id}")
    earlier = chat.page.locator(".earlier")
    while chat.articles.count() < 150:
        chat.page.evaluate("document.querySelector('.earlier').click()")
        chat.page.wait_for_timeout(50)
    expect(earlier).to_be_hidden()
    chat.page.evaluate("const at = document.querySelector('.scroll'); at.scrollTop = at.scrollHeight")
    chat.until(lambda: chat.texts() == [f"message {number}" for number in range(150)][-KEPT:])
    chat.type("more")
    chat.page.click("#send")
    chat.until(lambda: chat.articles.count() == KEPT and chat.texts()[-2:] == ["more", ("word " * 100).strip()])
    at_the_end = "(({ scrollTop, clientHeight, scrollHeight }) => scrollHeight - clientHeight - scrollTop < 2)"
    assert chat.page.evaluate(f"{at_the_end}(document.querySelector('.scroll'))")
    chat.page.evaluate("document.querySelector('.scroll').scrollTop = 0")
    chat.until(lambda: chat.texts()[:150] == [f"message {number}" for number in range(150)] or _up(chat))


def _up(chat: Chat) -> bool:
    chat.page.evaluate("document.querySelector('.scroll').scrollTop = 0")
    return False
