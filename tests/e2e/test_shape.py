"""The shape of the answer: chosen in the panel, checked as one types, kept, told to the engine; and replies drawn."""

import json
import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from backends.constraints import SHAPES, Constraint
from backends.scripted import Script
from tests.e2e.site import Chat, Site

Open = Callable[..., Site]
Visit = Callable[..., Chat]
TABLE = json.dumps([{"country": "France", "people": 67}, {"country": "Chile", "people": 19}])


def panel(chat: Chat) -> Page:
    chat.levers()
    if not chat.page.locator("#shape .kinds").is_visible():
        chat.page.click("#shape > summary")
    return chat.page


def test_a_shape_is_chosen_and_kept_and_the_engine_gets_it(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"], constraints=frozenset(SHAPES)))
    chat = visit(opened.url)
    page = panel(chat)
    page.click('[data-example="yes_no"]')
    expect(page.locator("#shape-said")).to_have_text("This can be kept to.")
    chat.say("Is it?")
    wanted = Constraint("choices", choices=("yes", "no"))
    assert opened.backend.requests[-1].constraint == wanted
    expect(chat.articles.last.locator(".stats")).to_have_attribute("title", re.compile("Shape of the answer: Choices"))
    page.reload()
    page.wait_for_selector("#transcript[data-ready]")
    expect(page.locator("#levers-toggle")).to_have_attribute("data-shaped", "")
    panel(chat)
    expect(page.locator("#shape-text")).to_have_value("yes\nno")
    chat.say("Again?")
    assert opened.backend.requests[-1].constraint == wanted
    page.click('[data-kind="free"]')
    chat.say("And freely?")
    assert opened.backend.requests[-1].constraint is None


def test_a_shape_that_is_chosen_before_the_preset_has_come_stays(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"], constraints=frozenset(SHAPES)))
    chat = visit(opened.url)
    page = panel(chat)
    page.evaluate(
        """() => {
            const select = document.querySelector('#preset select');
            select.value = 'deterministic';
            select.dispatchEvent(new Event('change'));
            document.querySelector('[data-example="yes_no"]').click();
        }"""
    )
    expect(page.locator("#knob-temperature input[type=number]")).to_have_value("0")
    expect(page.locator("#shape-text")).to_have_value("yes\nno")
    chat.say("Is it?")
    assert opened.backend.requests[-1].constraint == Constraint("choices", choices=("yes", "no"))
    assert opened.backend.requests[-1].sampling.temperature == 0


def test_what_is_wrong_is_said_where_while_one_types(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["x"], constraints=frozenset(SHAPES)))
    chat = visit(opened.url)
    page = panel(chat)
    page.click('[data-example="record"]')
    field, said = page.locator("#shape-text"), page.locator("#shape-said")
    good = field.input_value()
    field.fill(good.replace('"maxLength": 60', '"maxLenght": 60'))
    expect(said).to_contain_text("Line 6, column 7")
    expect(said).to_contain_text("$.properties.name.maxLenght")
    expect(said).to_contain_text("there is no keyword maxLenght")
    said.click()
    marked = field.evaluate("(at) => at.value.slice(at.selectionStart, at.selectionEnd)")
    assert marked == '"maxLenght": 60'
    before = chat.articles.count()
    chat.type("Describe it")
    page.click("#send")
    expect(page.locator(".notice, [role=alert]").first).to_contain_text("there is no keyword maxLenght")
    assert chat.articles.count() == before and not opened.backend.requests
    field.fill(good)
    expect(said).to_have_text("This can be kept to.")
    chat.say("Describe it")
    constraint = opened.backend.requests[-1].constraint
    assert constraint is not None and constraint.schema["required"] == ["name", "year", "about", "tags"]


def test_what_the_engine_cannot_do_is_greyed_out_with_the_reason(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(constraints=frozenset(("json",)))).url)
    page = panel(chat)
    expect(page.locator('[data-kind="json"]')).to_be_enabled()
    expect(page.locator('[data-kind="regex"]')).to_be_disabled()
    expect(page.locator('[data-example="record"]')).to_be_disabled()
    expect(page.locator('[data-kind="regex"]')).to_have_attribute(
        "title", "The engine scripted cannot keep its replies to a regular expression."
    )
    expect(page.locator("#shape .reason")).to_have_text("This engine cannot do: Schema, Choices, Regex, Grammar.")


def test_a_reply_that_is_data_is_drawn_and_can_be_read_as_text(site: Open, visit: Visit) -> None:
    chat = visit(site(Script(replies=[TABLE, "plain", '{"half": '])).url)
    chat.say("A table")
    body = chat.articles.last.locator(".body")
    expect(body.locator("thead th")).to_have_text(["country", "people"])
    expect(body.locator("tbody tr")).to_have_count(2)
    expect(body.locator(".raw")).to_be_hidden()
    body.get_by_role("button", name="Show the text").click()
    expect(body.locator("table")).to_be_hidden()
    expect(body.locator(".raw code")).to_have_text(TABLE)
    body.get_by_role("button", name="Show the table").click()
    expect(body.locator("table")).to_be_visible()
    for _ in range(2):
        chat.say("Something else")
        expect(chat.articles.last.locator(".body .data")).to_have_count(0)
