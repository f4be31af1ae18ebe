"""The page in both languages, in light and dark, on a phone and without a mouse."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from backends.scripted import Script
from tests.e2e.site import Chat, Site

Open = Callable[..., Site]
Visit = Callable[..., Chat]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def test_the_page_speaks_the_browser_s_language_and_the_one_that_is_picked(site: Open, visit: Visit) -> None:
    chat = visit(site().url, locale="ru-RU")
    expect(chat.page.locator(".greeting h1")).to_have_text(CYRILLIC)
    expect(chat.box).to_have_attribute("placeholder", CYRILLIC)
    chat.page.click("#language")
    expect(chat.page.locator(".greeting h1")).not_to_have_text(CYRILLIC)
    chat.page.reload()
    expect(chat.page.locator(".greeting h1")).not_to_have_text(CYRILLIC)
    assert chat.page.evaluate("document.documentElement.lang") == "en"


def test_nothing_is_left_in_english_on_the_russian_page(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=["ответ"], name="модель")).url, locale="ru-RU")
    chat.say("вопрос")
    chat.levers()
    seen = chat.page.evaluate(
        """() => [...document.querySelectorAll('#samovar *')].filter(at => at.checkVisibility())
            .flatMap(at => [at.title, at.ariaLabel, at.placeholder,
                            ...[...at.childNodes].filter(n => n.nodeType === 3).map(n => n.data)])
            .filter(text => text && /[a-z]{3}/i.test(text) && !/[а-яё]/i.test(text))"""
    )
    assert set(seen) <= {"Samovar", "English"}


@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
def test_a_phone_shows_everything_within_its_width(site: Open, visit: Visit, locale: str) -> None:
    wide = "| " + " | ".join(["column"] * 20) + " |\n|" + "--|" * 20 + "\n\n```\n" + "x" * 300 + "\n```\n" + "y" * 300
    chat = visit(site(Script(replies=[wide])).url, locale=locale, **PHONE)
    chat.say("a wide one, please")
    page = chat.page

    def overflow() -> bool:
        return bool(page.evaluate("document.querySelector('#samovar main').scrollWidth > innerWidth || scrollX > 0"))

    assert not overflow()
    for button in ("#send", "#regenerate", "#continue", "#impersonate", "#remove-last"):
        box = page.locator(button).bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390, button
    page.click("#levers-toggle")
    expect(page.locator("#knob-temperature input[type=number]")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("#knob-temperature")).not_to_be_in_viewport()
    page.click("#chats-toggle")
    expect(page.locator("#new-chat")).to_be_in_viewport()
    page.click("#new-chat")
    expect(page.locator("#new-chat")).not_to_be_in_viewport()
    assert not overflow()


def test_the_theme_follows_the_system_until_one_is_picked(site: Open, visit: Visit) -> None:
    chat = visit(site().url, color_scheme="dark")
    paper = "getComputedStyle(document.querySelector('#samovar')).backgroundColor"
    assert chat.page.evaluate(paper) == "rgb(27, 25, 24)"
    chat.page.click("#theme")
    assert chat.page.evaluate(paper) == "rgb(250, 248, 245)"
    chat.page.reload()
    chat.page.wait_for_selector("#transcript[data-ready]")
    assert chat.page.evaluate(paper) == "rgb(250, 248, 245)"


def test_actions_of_a_message_come_with_the_keyboard(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.say("one")
    chat.say("two")
    copy = chat.articles.first.locator('button[data-act="copy"]')
    copy.focus()
    expect(chat.articles.first.locator(".acts")).to_have_css("opacity", "1")


def test_nothing_is_asked_of_another_host(site: Open, visit: Visit, browser: object) -> None:
    opened = site()
    asked: list[str] = []
    chat = visit(opened.url)
    chat.page.on("request", lambda request: asked.append(request.url))
    chat.page.reload()
    chat.page.wait_for_selector("#transcript[data-ready]")
    chat.say("hello")
    assert asked and all(url.startswith((opened.url, "data:", "blob:")) for url in asked), asked
