"""What lasts: a reply through a reload, the same chat in two tabs, two people apart, settings after a restart."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from backends.scripted import Script
from tests.e2e.site import Chat, Site, start

Open = Callable[..., Site]
Visit = Callable[..., Chat]
SLOW = Script(replies=["word " * 300], delay=0.01)


def test_a_reload_during_a_reply_finds_it_again(site: Open, visit: Visit) -> None:
    chat = visit(site(SLOW).url)
    chat.type("go")
    chat.page.click("#send")
    chat.until(lambda: len(chat.texts()) == 2 and "word" in chat.texts()[-1])
    chat.page.reload()
    chat.busy()
    chat.idle()
    assert chat.texts()[-1].split() == ["word"] * 300


def test_closing_the_page_does_not_stop_the_reply(site: Open, visit: Visit) -> None:
    opened = site(SLOW)
    chat = visit(opened.url)
    chat.type("go")
    chat.page.click("#send")
    chat.busy()
    address = chat.page.url
    context = chat.page.context
    chat.page.close()
    again = visit(opened.url, context)
    again.page.locator("#chat-list [data-chat]").first.click()
    again.until(lambda: len(again.texts()) == 2)
    again.idle()
    assert again.texts()[-1].split() == ["word"] * 300
    assert address.startswith(opened.url)


def test_two_tabs_on_one_chat_see_the_same(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["one", "two " * 100], delay=0.01))
    first = visit(opened.url)
    first.say("hello")
    second = visit(first.page.url, first.page.context)
    second.until(lambda: second.texts() == ["hello", "one"])
    first.type("more")
    first.page.click("#send")
    second.busy()
    second.until(lambda: len(second.texts()) == 4 and "two" in second.texts()[-1])
    second.page.click("#stop")
    first.idle()
    second.idle()
    assert first.texts() == second.texts()


def test_what_is_typed_survives_a_reload_and_a_switch_of_chats(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.say("one")
    chat.type("half a thought")
    chat.page.wait_for_timeout(300)
    chat.page.reload()
    expect(chat.box).to_have_value("half a thought")
    chat.page.click("#new-chat")
    expect(chat.box).to_have_value("")
    chat.page.locator("#chat-list [data-chat]").first.click()
    expect(chat.box).to_have_value("half a thought")


def test_a_killed_server_loses_at_most_the_last_second(tmp_path: Path, visit: Visit, browser: Browser) -> None:
    process, url = start(tmp_path, "--model", "scripted:slow")
    try:
        context = browser.new_context(locale="en-US")
        page = context.new_page()
        chat = Chat(page, url)
        chat.type("word " * 400)
        page.click("#send")
        chat.until(lambda: len(chat.texts()) == 2 and len(chat.texts()[-1].split()) > 20, 15)
        time.sleep(2.2)
        seen = len(chat.texts()[-1].split())
        process.send_signal(signal.SIGKILL)
        process.wait()
        context.close()
        process, url = start(tmp_path, "--model", "scripted:slow")
        again = visit(url)
        again.page.locator("#chat-list [data-chat]").first.click()
        again.until(lambda: len(again.texts()) == 2)
        kept = len(again.texts()[-1].split())
        # The script writes 20 words a second, and a draft is saved every second.
        assert seen - kept <= 30 and kept > 0
        expect(again.articles.last).to_contain_text("cut off")
        # A page that is left open would complain of the server that ends.
        again.page.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)
