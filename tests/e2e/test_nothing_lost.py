"""What a person wrote or moved is never lost: by a switch at the wrong moment, a reload, a second tab, a full disk."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from backends.scripted import Script
from tests.e2e.site import Chat, Site
from webui.errors import StorageFull
from webui.history.store import History

Open = Callable[..., Site]
Visit = Callable[..., Chat]


def _go(chat: Chat, index: int) -> None:
    chat.page.locator("#chat-list [data-chat] a").nth(index).click()


def test_what_is_impersonated_goes_to_the_chat_it_was_asked_in(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "two", "my words " * 40], delay=0.01)).url)
    chat.say("first chat")
    chat.page.click("#new-chat")
    chat.until(lambda: chat.texts() == [])
    chat.say("second chat")
    chat.page.click("#impersonate")
    chat.until(lambda: "my words" in chat.box.input_value())
    _go(chat, 1)
    chat.until(lambda: chat.texts() == ["first chat", "one"])
    chat.page.wait_for_timeout(600)
    expect(chat.box).to_have_value("")
    _go(chat, 0)
    chat.until(lambda: chat.box.input_value().split() == ["my", "words"] * 40, 15)


def test_a_reload_while_it_is_impersonated_loses_nothing(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "my words " * 30], delay=0.01)).url)
    chat.say("hello")
    chat.page.click("#impersonate")
    chat.until(lambda: "my words" in chat.box.input_value())
    chat.page.reload()
    chat.until(lambda: chat.box.input_value().split() == ["my", "words"] * 30, 15)


def test_what_is_impersonated_while_the_page_is_away_waits(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "my words " * 20], delay=0.01)).url)
    chat.say("hello")
    address = chat.page.url
    chat.page.click("#impersonate")
    chat.until(lambda: "my words" in chat.box.input_value())
    chat.page.goto("about:blank")
    chat.page.wait_for_timeout(1500)
    chat.page.goto(address)
    chat.page.wait_for_selector("#transcript[data-ready]")
    chat.until(lambda: chat.box.input_value().split() == ["my", "words"] * 20, 15)


def test_a_lever_moved_just_before_a_switch_is_kept(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.say("hello")
    chat.levers()
    chat.page.fill("#knob-temperature input[type=number]", "1.35")
    chat.page.click("#new-chat")
    chat.page.wait_for_timeout(800)
    chat.page.reload()
    chat.levers()
    expect(chat.page.locator("#knob-temperature input[type=number]")).to_have_value("1.35")


def test_deleting_a_version_shows_another_and_the_undo_brings_it_back(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "two"])).url)
    chat.say("hello")
    chat.page.click("#regenerate")
    chat.until(lambda: chat.texts() == ["hello", "two"])
    chat.idle()
    chat.act(-1, "delete")
    chat.until(lambda: chat.texts() == ["hello", "one"])
    chat.page.locator(".notice .undo").click()
    chat.until(lambda: chat.texts() == ["hello", "two"])


def test_a_hit_in_another_version_is_shown(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["a rare axolotl", "nothing special"])).url)
    chat.say("hello")
    chat.page.click("#regenerate")
    chat.until(lambda: chat.texts() == ["hello", "nothing special"])
    chat.idle()
    chat.page.fill("#chat-search input", "axolotl")
    chat.page.locator("#chat-list .hit").first.click()
    chat.until(lambda: chat.texts() == ["hello", "a rare axolotl"])
    chat.page.locator("#chat-list [data-chat]").first.hover()


def test_the_system_message_reaches_the_other_tab(site: Open, visit: Visit) -> None:
    first = visit(site().url)
    first.say("hello")
    second = visit(first.page.url, first.page.context)
    for chat in (first, second):
        chat.levers()
    first.page.fill("#system-message textarea", "Answer in verse.")
    first.page.locator("#system-message textarea").blur()
    expect(second.page.locator("#system-message textarea")).to_have_value("Answer in verse.")


def test_more_chats_than_the_list_shows_are_one_click_away(
    site: Open, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.ui.session.CHATS_SHOWN", 5)
    opened = site()
    for number in range(12):
        opened.services.history.create_chat(1, f"chat {number}")
    chat = visit(opened.url)
    rows = chat.page.locator("#chat-list [data-chat]")
    expect(rows).to_have_count(5)
    more = chat.page.get_by_role("button", name="Show earlier chats")
    more.click()
    expect(rows).to_have_count(10)
    more.click()
    expect(rows).to_have_count(12)
    expect(more).to_be_hidden()


def test_a_reply_that_cannot_be_saved_is_saved_later(site: Open, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = site(Script(replies=["worth keeping"]))
    full = True
    real = History.finish

    def finish(self: History, *values: object) -> None:
        if full:
            raise StorageFull
        real(self, *values)  # type: ignore[arg-type]

    monkeypatch.setattr(History, "finish", finish)
    chat = visit(opened.url)
    chat.type("hello")
    chat.page.click("#send")
    expect(chat.page.locator(".status")).to_contain_text("cannot be saved")
    assert chat.texts()[-1] == "worth keeping"
    full = False
    chat.until(lambda: not chat.page.locator("#transcript[data-busy]").count(), 15)
    chat.page.reload()
    chat.until(lambda: chat.texts() == ["hello", "worth keeping"])


def test_a_half_written_edit_survives_that_its_message_leaves(site: Open, visit: Visit) -> None:
    first = visit(site().url)
    first.say("hello")
    second = visit(first.page.url, first.page.context)
    second.act(0, "edit")
    second.page.locator("article .editor textarea").fill("a long thought")
    first.page.click("#remove-last")
    second.until(lambda: second.texts() == [])
    expect(second.box).to_have_value("a long thought")
    expect(second.page.locator(".notice.warning")).to_be_visible()


def test_the_undo_of_remove_last_takes_the_text_out_of_the_box_again(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one"])).url)
    chat.say("hello")
    chat.page.click("#remove-last")
    expect(chat.box).to_have_value("hello")
    chat.page.locator(".notice .undo").click()
    chat.until(lambda: chat.texts() == ["hello", "one"])
    expect(chat.box).to_have_value("")


def test_a_window_of_middling_width_shows_one_side_at_a_time(site: Open, visit: Visit) -> None:
    chat = visit(site().url, viewport={"width": 1000, "height": 700})
    expect(chat.page.locator("#chat-list")).to_be_visible()
    chat.levers()
    expect(chat.page.locator("#chats-toggle")).to_have_attribute("aria-expanded", "false")
    assert chat.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = chat.page.locator(".tools").bounding_box()
    tools = [each.bounding_box() for each in chat.page.locator(".tools button").all()]
    assert box is not None and all(each is not None and each["x"] >= box["x"] for each in tools)
