"""Presets and knobs, as a person moves them; and what reaches the engine."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from backends.sampling import knobs
from backends.scripted import Script, ScriptedBackend
from backends.values import Capabilities
from tests.e2e.site import Chat, Site

Open = Callable[..., Site]
Visit = Callable[..., Chat]


def knob(page: Page, name: str) -> str:
    return page.locator(f"#knob-{name} input[type=number]").input_value()


def open_groups(page: Page) -> None:
    closed = page.locator("details.group:not([open]) > summary")
    while closed.count():
        closed.first.click()


def test_every_knob_is_there_and_explained(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.levers()
    for name in knobs():
        assert chat.page.locator(f"#knob-{name}").count() == 1, name
        assert len(chat.page.locator(f"#help-{name}").text_content() or "") > 20, name


def test_a_preset_moves_the_knobs_and_the_engine_gets_them(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"]))
    chat = visit(opened.url)
    chat.levers()
    assert knob(chat.page, "temperature") == "0.7"
    chat.page.locator("#preset select").select_option("precise")
    expect(chat.page.locator("#knob-temperature input[type=number]")).not_to_have_value("0.7")
    precise = float(knob(chat.page, "temperature"))
    chat.page.fill("#knob-top_k input[type=number]", "17")
    chat.say("now")
    sampling = opened.backend.requests[-1].sampling
    assert sampling.temperature == precise and sampling.top_k == 17
    expect(chat.page.locator(".about")).to_contain_text("changed")


def test_a_knob_that_is_moved_before_the_preset_has_come_stays_moved(site: Open, visit: Visit) -> None:
    chat = visit(site().url)
    chat.levers()
    chat.page.evaluate(
        """() => {
            const select = document.querySelector('#preset select');
            select.value = 'deterministic';
            select.dispatchEvent(new Event('change'));
            const field = document.querySelector('#knob-top_k input[type=number]');
            field.value = '17';
            field.dispatchEvent(new Event('input'));
        }"""
    )
    expect(chat.page.locator("#knob-temperature input[type=number]")).to_have_value("0")
    chat.page.wait_for_timeout(600)
    expect(chat.page.locator("#knob-top_k input[type=number]")).to_have_value("17")
    expect(chat.page.locator("#knob-temperature input[type=number]")).to_have_value("0")


def test_levers_last_through_a_reload_and_reach_another_tab(site: Open, visit: Visit) -> None:
    opened = site()
    chat = visit(opened.url)
    chat.levers()
    other = visit(opened.url, chat.page.context)
    other.levers()
    chat.page.fill("#knob-temperature input[type=number]", "1.35")
    expect(other.page.locator("#knob-temperature input[type=number]")).to_have_value("1.35")
    chat.page.reload()
    chat.page.wait_for_selector("#transcript[data-ready]")
    expect(chat.page.locator("#knob-temperature input[type=number]")).to_have_value("1.35")


def test_own_presets_are_saved_overwritten_after_asking_renamed_and_deleted(site: Open, visit: Visit) -> None:
    name = "../Мой ${1+1}<b> стиль"
    chat = visit(site().url)
    page = chat.page
    chat.levers()
    options = page.locator("#preset option", has_text="стиль")

    def save(temperature: str) -> None:
        page.fill("#knob-temperature input[type=number]", temperature)
        page.fill("#preset-name input", name)
        page.click("#preset-save")

    save("1.1")
    expect(options).to_have_text([name])
    save("1.2")
    expect(page.locator("dialog")).to_contain_text(name)
    page.locator("dialog button.plain").click()
    page.locator("#preset select").select_option("code")
    expect(page.locator("#knob-temperature input[type=number]")).not_to_have_value("1.2")
    page.locator("#preset select").select_option(name)
    expect(page.locator("#knob-temperature input[type=number]")).to_have_value("1.1")
    save("1.3")
    page.locator("dialog button.main").click()
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="Rename the preset").click()
    page.locator("dialog input").fill("Вечерний стиль")
    page.locator("dialog button.main").click()
    expect(options).to_have_text(["Вечерний стиль"])
    page.locator("#preset select").select_option("code")
    page.locator("#preset select").select_option("Вечерний стиль")
    expect(page.locator("#knob-temperature input[type=number]")).to_have_value("1.3")
    page.get_by_role("button", name="Delete the preset").click()
    page.locator("dialog button.main").click()
    expect(options).to_have_count(0)


def test_neutral_is_one_click_away(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"]))
    chat = visit(opened.url)
    chat.levers()
    chat.page.click("#neutral")
    assert knob(chat.page, "temperature") == "1"
    chat.say("now")
    assert opened.backend.requests[-1].sampling.difference() == {}


def test_a_value_out_of_range_is_marked_and_never_sent(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"]))
    chat = visit(opened.url)
    chat.levers()
    field = chat.page.locator("#knob-temperature input[type=number]")
    field.fill("99")
    assert "wrong" in (field.get_attribute("class") or "")
    chat.say("now")
    assert opened.backend.requests[-1].sampling.temperature == 0.7
    expect(field).to_have_value("0.7")


def test_lists_are_written_as_text(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"]))
    chat = visit(opened.url)
    chat.levers()
    open_groups(chat.page)
    chat.page.fill("#knob-stop textarea", "User:\n\\n\\n")
    chat.page.fill("#knob-logit_bias textarea", "5: -3.5\n7=2")
    chat.page.locator("#knob-sampler_order li").first.get_by_role("button").last.click()
    chat.say("now")
    sampling = opened.backend.requests[-1].sampling
    assert sampling.stop == ("User:", "\n\n")
    assert sampling.logit_bias == ((5, -3.5), (7, 2.0))
    assert sampling.sampler_order[:2] == ("dry", "penalties")


class Simple(ScriptedBackend):
    """An engine with few levers, which says why."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            knobs=frozenset({"temperature", "top_p", "max_tokens"}),
            impersonation=False,
            alternatives=0,
            reasons={
                "mirostat": "unsupported_parameter",
                "impersonate": "template_failed",
                "alternatives": "unsupported_feature",
            },
        )


def test_what_the_engine_has_not_is_greyed_out_with_the_reason(site: Open, visit: Visit) -> None:
    chat = visit(site(backend=Simple()).url)
    chat.levers()
    open_groups(chat.page)
    page = chat.page
    expect(page.locator("#knob-temperature input[type=number]")).to_be_enabled()
    expect(page.locator("#knob-top_k input[type=number]")).to_be_disabled()
    expect(page.locator(".knob:has(#knob-mirostat) .reason")).to_contain_text("Mirostat")
    expect(page.locator("#knob-alternatives input[type=number]")).to_be_disabled()
    expect(page.locator(".knob:has(#knob-alternatives) .reason")).to_contain_text("what it weighed")
    expect(page.locator("#impersonate")).to_be_disabled()


def test_how_many_alternatives_are_kept(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"]))
    chat = visit(opened.url)
    chat.levers()
    open_groups(chat.page)
    assert knob(chat.page, "alternatives") == "5"
    chat.page.fill("#knob-alternatives input[type=number]", "2")
    chat.say("now")
    assert opened.backend.requests[-1].alternatives == 2
    chat.page.reload()
    expect(chat.page.locator("#knob-alternatives input[type=number]")).to_have_value("2")


def test_the_system_message_goes_first(site: Open, visit: Visit) -> None:
    opened = site(Script(replies=["yes"]))
    chat = visit(opened.url)
    chat.levers()
    chat.page.fill("#system-message textarea", "Speak like a pirate.")
    chat.page.keyboard.press("Tab")
    chat.say("hello")
    prompt = opened.backend.requests[-1].prompt
    assert [(message.role, message.content) for message in prompt.messages] == [  # type: ignore[union-attr]
        ("system", "Speak like a pirate."), ("user", "hello"),
    ]  # fmt: skip
    chat.page.click("#new-chat")
    expect(chat.page.locator("#system-message textarea")).to_have_value("Speak like a pirate.")
