"""Every control of the page, as a person uses it, in a real browser with a scripted model."""

from collections.abc import Callable

from playwright.sync_api import expect

from backends.errors import EngineFailed
from backends.scripted import Script
from tests.e2e.site import Chat, Site

Open = Callable[..., Site]
Visit = Callable[..., Chat]
SLOW = Script(replies=["word " * 600], delay=0.01)


def test_a_message_is_sent_and_answered(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.say("Hello there")
    assert chat.texts() == ["Hello there", "You said: Hello there"]
    assert [a.get_attribute("data-role") for a in chat.articles.all()] == ["user", "assistant"]
    expect(chat.box).to_have_value("")
    expect(chat.page.locator("#chat-list [data-chat]")).to_have_count(1)
    expect(chat.page.locator("#chat-list [data-chat]")).to_contain_text("Hello there")


def test_enter_sends_and_shift_enter_makes_a_line(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.box.click()
    chat.page.keyboard.type("one")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("two")
    chat.page.keyboard.press("Enter")
    chat.until(lambda: len(chat.texts()) == 2)
    chat.idle()
    assert chat.texts()[0] == "one\ntwo"


def test_stop_keeps_what_was_written(site: Open, visit: Visit) -> None:
    chat = visit(site(SLOW).url)
    chat.type("go")
    chat.page.click("#send")
    chat.busy()
    expect(chat.page.locator("#send")).to_be_hidden()
    chat.until(lambda: "word" in chat.texts()[-1])
    chat.page.click("#stop")
    chat.idle()
    assert 0 < len(chat.texts()[-1]) < 2900
    expect(chat.page.locator("#send")).to_be_visible()
    expect(chat.articles.last).to_contain_text("topped")


def test_regenerate_makes_a_version_and_the_old_one_is_a_click_away(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "two"])).url)
    chat.say("hi")
    chat.page.click("#regenerate")
    chat.until(lambda: chat.texts() == ["hi", "two"])
    chat.idle()
    expect(chat.articles.last).to_contain_text("2/2")
    chat.act(-1, "prev")
    chat.until(lambda: chat.texts() == ["hi", "one"])
    chat.act(-1, "next")
    chat.until(lambda: chat.texts() == ["hi", "two"])


def test_continue_goes_on_in_the_same_message(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["Once upon", " a time"])).url)
    chat.say("a tale")
    chat.page.click("#continue")
    chat.until(lambda: chat.texts() == ["a tale", "Once upon a time"])


def test_impersonate_writes_into_the_input_box(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "as you would say"])).url)
    chat.say("hi")
    chat.page.click("#impersonate")
    expect(chat.box).to_have_value("as you would say")
    chat.idle()
    chat.page.click("#send")
    chat.until(lambda: chat.texts()[2:3] == ["as you would say"])


def test_remove_last_gives_my_text_back_and_can_be_undone(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "two"])).url)
    chat.say("first")
    chat.say("second")
    chat.page.click("#remove-last")
    expect(chat.box).to_have_value("second")
    chat.until(lambda: chat.texts() == ["first", "one"])
    chat.page.get_by_role("button", name="Undo").click()
    chat.until(lambda: chat.texts() == ["first", "one", "second", "two"])


def test_start_reply_with(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=[" it is."]))
    chat = visit(opened.url)
    chat.levers()
    chat.page.fill("#start-with textarea, #start-with input", "Yes,")
    chat.say("is it?")
    assert chat.texts()[-1] == "Yes, it is."


def test_edit_copy_branch_and_delete_on_a_message(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "two", "three"])).url, permissions=["clipboard-read", "clipboard-write"])
    chat.say("frist")
    chat.act(0, "edit")
    editor = chat.articles.nth(0).locator("textarea")
    editor.fill("first")
    editor.press("Control+Enter")
    chat.until(lambda: chat.texts() == ["first", "two"])
    chat.idle()
    expect(chat.articles.nth(0)).to_contain_text("2/2")
    chat.act(-1, "copy")
    assert chat.page.evaluate("navigator.clipboard.readText()") == "two"
    chat.act(-1, "branch")
    expect(chat.page.locator("#chat-list [data-chat]")).to_have_count(2)
    expect(chat.page.locator("#chat-list [data-current]")).to_have_attribute("data-chat", "2")
    chat.say("elsewhere")
    assert chat.texts() == ["first", "two", "elsewhere", "three"]
    chat.act(1, "delete")
    chat.until(lambda: chat.texts() == ["first", "elsewhere", "three"])
    chat.page.get_by_role("button", name="Undo").click()
    chat.until(lambda: chat.texts() == ["first", "two", "elsewhere", "three"])


def test_regenerate_and_continue_on_a_message_in_the_middle(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["one", "two", "again", " and on"])).url)
    chat.say("a")
    chat.say("b")
    chat.act(1, "regenerate")
    chat.until(lambda: chat.texts() == ["a", "again"])
    chat.idle()
    chat.act(1, "continue")
    chat.until(lambda: chat.texts() == ["a", "again and on"])


def test_chats_are_made_renamed_found_and_deleted(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.say("about whales")
    chat.page.click("#new-chat")
    chat.until(lambda: chat.texts() == [])
    chat.say("про самовар")
    rows = chat.page.locator("#chat-list [data-chat]")
    expect(rows).to_have_count(2)
    chat.page.fill("#chat-search input, #chat-search", "самовар")
    expect(rows.filter(has_text="whales")).to_have_count(0)
    expect(rows.filter(has_text="самовар").first).to_be_visible()
    chat.page.fill("#chat-search input, #chat-search", "")
    rows.filter(has_text="whales").click()
    chat.until(lambda: chat.texts()[:1] == ["about whales"])


def test_markup_in_messages_and_titles_is_only_text(site: Open, visit: Visit) -> None:
    evil = "${1+1}<b> <img src=x onerror=alert(1)> <script>alert(1)</script> {{7*7}} `${2+2}`"
    chat = visit(site(Script(replies=[evil + " [x](javascript:alert(1))"])).url)
    chat.page.on("dialog", lambda dialog: (_ for _ in ()).throw(AssertionError("a script ran")))
    chat.say(evil)
    assert chat.texts()[0] == evil
    assert "${1+1}<b>" in chat.texts()[1] and "{{7*7}}" in chat.texts()[1]
    assert chat.page.locator("#transcript img, #transcript script, a[href^='javascript']").count() == 0
    expect(chat.page.locator("#chat-list [data-chat]").first).to_contain_text("${1+1}<b>")


def test_an_engine_that_dies_says_so_where_the_reply_stands(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=[EngineFailed(reason="the card fell out"), "whole"])).url)
    chat.say("hi")
    assert chat.texts()[-1] == "Half a reply"
    expect(chat.articles.last).to_contain_text("the card fell out")
    chat.page.click("#regenerate")
    chat.until(lambda: chat.texts() == ["hi", "whole"])


def test_a_message_of_five_megabytes_is_refused_and_stays_in_the_box(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    huge = "word " * 1_000_000
    chat.page.evaluate(
        """text => { const box = document.querySelector('#composer textarea'); box.value = text;
                     box.dispatchEvent(new Event('input', {bubbles: true})); }""",
        huge,
    )
    chat.page.click("#send")
    expect(chat.page.locator("body")).to_contain_text("8,192", timeout=20_000)
    assert chat.texts() == []
    assert len(chat.box.input_value()) == len(huge)


def test_an_empty_chat_greets_and_names_the_model(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    expect(chat.page.locator(".greeting")).to_contain_text("scripted")
    expect(chat.page.locator(".greeting")).to_contain_text("8,192")


def test_the_meter_moves_while_typing(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    meter = chat.page.locator("#context-meter")
    expect(meter).to_have_attribute("data-window", "8192")
    empty = int(meter.get_attribute("data-used") or 0)
    chat.type("five words are typed here")
    expect(meter).to_have_attribute("data-used", str(empty + 7))


def test_what_stays_outside_the_window_is_marked(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["word " * 20], window=128)).url)
    for number in range(5):
        chat.say(f"message {number}")
    meter = chat.page.locator("#context-meter")
    chat.until(lambda: int(meter.get_attribute("data-dropped") or 0) > 0)
    outside = chat.page.locator("#transcript article[data-outside]").count()
    assert outside == int(meter.get_attribute("data-dropped") or 0)
    assert int(meter.get_attribute("data-used") or 0) <= 128
