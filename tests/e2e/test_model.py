"""The model panel in the browser: switching, its failures, cancelling, unloading, engines on the network."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backends.base import Backend
from backends.errors import OutOfMemory
from backends.scripted import Script, ScriptedBackend
from backends.values import Capabilities, Encoded, Prompt
from tests.backends.models.making import put
from tests.e2e.site import Chat, Site
from webui.choice import ModelChoice
from webui.loader import Stage

Visit = Callable[..., Chat]


class Garage(Site):
    """A server with models `one`, `two`, `heavy` (which does not fit) and `slow` (which waits for `gate`)."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.choices: list[ModelChoice] = []
        self.gate, self.inside = threading.Event(), threading.Event()
        self.stage: Stage = "downloading"
        self.fails = False
        for name in ("one", "two", "heavy", "slow"):
            put(folder / "models" / f"{name}.gguf")
        super().__init__(folder, **settings)

    def path(self, name: str) -> str:
        return str(self.settings.models_dir / f"{name}.gguf")

    def _open(self, choice: ModelChoice, progress: Callable[[Stage, float], bool]) -> Backend:
        self.choices.append(choice)
        name = Path(choice.reference).stem
        if name == "slow":
            progress(self.stage, 0.42)
            self.inside.set()
            assert self.gate.wait(20)
        progress("loading", 0.5)
        if name == "heavy" or (name == "slow" and self.fails):
            raise OutOfMemory(model=name, reason="it is heavy")
        return Wordy(Script(name=name)) if name == "two" else ScriptedBackend(Script(name=name))


class Wordy(ScriptedBackend):
    """Its template takes ten tokens more, its window is smaller, and it only estimates."""

    @property
    def capabilities(self) -> Capabilities:
        return dataclasses.replace(super().capabilities, exact_counts=False)

    def encode(self, prompt: Prompt) -> Encoded:
        encoded = super().encode(prompt)
        return Encoded((*(self._id("<extra>"),) * 10, *encoded.tokens), tuple(10 + end for end in encoded.ends))


@pytest.fixture
def garage(tmp_path: Path) -> Iterator[Garage]:
    made = Garage(tmp_path / "data")
    yield made
    made.gate.set()
    made.close()


def panel(chat: Chat) -> Page:
    """Open the panel and wait for the list."""
    chat.page.click("#model")
    chat.page.wait_for_selector(".shelf-row")
    return chat.page


def row(page: Page, name: str) -> None:
    page.locator(".shelf-row", has_text=name).click()
    page.wait_for_selector(".opening:not([hidden])")


def load(page: Page, name: str) -> None:
    row(page, name)
    page.locator(".opening button.main").click()


def ready(page: Page, name: str) -> None:
    expect(page.locator("#model .name")).to_have_text(name)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")


def test_a_mistyped_name_leaves_the_model_as_it_is(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = panel(chat)
    page.fill("#model-reference", "nosuch.gguf")
    expect(page.locator(".opening .mistake")).to_contain_text("There is no model at nosuch.gguf")
    page.fill("#model-reference", "other.gguf")
    page.keyboard.press("Enter")
    expect(page.locator(".notice.error")).to_contain_text("other.gguf")
    expect(page.locator("#model-reference")).to_have_value("other.gguf")
    ready(page, "scripted")
    assert garage.services.kept.last == "scripted" and len(garage.choices) == 1
    page.keyboard.press("Escape")
    chat.say("are you there?")
    assert chat.texts()[-1] == "You said: are you there?"


def test_a_model_is_chosen_opened_as_asked_and_remembered(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = panel(chat)
    row(page, "one")
    expect(page.locator(".opening .takes")).to_contain_text("Takes about")
    page.locator(".opening summary").click()
    page.fill("#model-ctx", "1024")
    page.fill("#model-threads", "1")
    page.locator(".opening button.main").click()
    ready(page, "one")
    assert garage.choices[-1] == ModelChoice(garage.path("one"), ctx=1024, threads=1)
    expect(page.locator(".shelf-row[data-loaded]")).to_contain_text("one")
    expect(page.locator(".opening")).to_be_hidden()
    assert page.evaluate("document.querySelector('.popover').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator(".popover")).to_be_hidden()
    expect(page.locator("#model")).to_be_focused()
    panel(chat)
    row(page, "one")
    expect(page.locator("#model-ctx")).to_have_value("1024")
    assert garage.services.kept.last == garage.path("one")


def test_the_engine_is_chosen_where_several_could_and_the_others_say_why(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = panel(chat)
    row(page, "one")
    chips = page.locator(".opening .chips label")
    expect(chips.filter(has_text="llama.cpp").locator("input").last).to_be_enabled()
    transformers = page.locator('.opening .chips input[value="transformers"]')
    if transformers.is_disabled():
        expect(page.locator(".opening .command code")).to_contain_text("pip install 'torch")
    else:
        transformers.check(force=True)
        expect(page.locator('.weights [data-dtype="bfloat16"]')).to_contain_text("about")
        page.locator('.weights input[value="bfloat16"]').check()
        expect(page.locator("#model-gpu_layers")).to_be_hidden()
        page.locator(".opening button.main").click()
        ready(page, "one")
        assert garage.choices[-1] == ModelChoice(garage.path("one"), backend="transformers", dtype="bfloat16")


def test_a_chat_goes_on_with_another_model_and_the_counts_follow(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = chat.page
    chat.say("one two three")
    meter = page.locator("#context-meter")
    chat.until(lambda: meter.get_attribute("data-used") == "13")
    expect(page.locator(".figures")).to_have_text("13 of 8,192 tokens")
    panel(chat)
    load(page, "two")
    ready(page, "two")
    chat.until(lambda: meter.get_attribute("data-used") == "23")
    expect(page.locator(".figures")).to_have_text("about 23 of 8,192 tokens")
    expect(page.locator(".now dl")).to_contain_text("an estimate")
    page.keyboard.press("Escape")
    chat.say("four")
    assert chat.texts() == ["one two three", "You said: one two three", "four", "You said: four"]
    expect(chat.articles.last.locator(".stats")).to_contain_text("two")


@pytest.mark.parametrize("stage", ["downloading", "loading"])
def test_a_load_shows_how_far_it_is_and_may_be_cancelled(garage: Garage, visit: Visit, stage: Stage) -> None:
    garage.stage = stage
    chat = visit(garage.url)
    page = panel(chat)
    page.fill("#model-reference", "half a na")
    load(page, "slow")
    expect(page.locator(".now .coming")).to_contain_text("42%")
    expect(page.locator("#model")).to_have_attribute("data-state", stage)
    if stage == "downloading":
        page.keyboard.press("Escape")
        chat.say("meanwhile")
        assert chat.texts()[-1] == "You said: meanwhile", "the model before still answers"
        panel(chat)
    page.locator(".now .coming button").click()
    chat.until(lambda: garage.services.loader.state.choice.reference == "scripted")
    garage.gate.set()
    ready(page, "scripted")
    expect(page.locator(".now .coming")).to_have_count(0)
    expect(page.locator(".now .mistake")).to_have_count(0)


def test_a_model_that_does_not_load_says_why_and_the_one_before_is_back(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = panel(chat)
    load(page, "heavy")
    expect(page.locator(".now .mistake")).to_contain_text("not enough memory")
    expect(page.locator(".now .mistake")).to_contain_text("“scripted” stays loaded")
    ready(page, "scripted")
    assert [choice.reference for choice in garage.choices][-2:] == [garage.path("heavy"), "scripted"]
    assert garage.services.kept.last == "scripted"


def test_a_model_that_does_not_load_is_told_of_beside_the_panel(garage: Garage, visit: Visit) -> None:
    garage.fails = True
    chat = visit(garage.url)
    page = panel(chat)
    load(page, "slow")
    expect(page.locator(".now .coming")).to_contain_text("42%")
    page.keyboard.press("Escape")
    garage.gate.set()
    expect(page.locator(".notice.error")).to_contain_text("not enough memory")
    ready(page, "scripted")


def test_typing_goes_on_while_a_model_loads(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = panel(chat)
    load(page, "slow")
    expect(page.locator(".now .coming")).to_contain_text("42%")
    page.locator("#model-reference").press_sequentially("on")
    garage.gate.set()
    ready(page, "slow")
    expect(page.locator("#model-reference")).to_be_focused()
    page.keyboard.type("e.gguf")
    expect(page.locator("#model-reference")).to_have_value("one.gguf")
    expect(page.locator(".opening button.main")).to_be_visible()
    page.keyboard.press("Enter")
    ready(page, "one")
    expect(page.locator("#model-reference")).to_have_value("")


def test_unloading(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = panel(chat)
    page.locator(".now .title button").click()
    expect(page.locator("#model .name")).to_have_text("No model")
    assert garage.services.loader.backend is None
    page.keyboard.press("Escape")
    expect(page.locator(".popover")).to_be_hidden()
    chat.type("hello")
    page.click("#send")
    expect(page.get_by_role("alert")).to_contain_text("No model is loaded")
    expect(page.locator("#composer textarea")).to_have_value("hello")
    expect(chat.articles).to_have_count(0)


def test_stopped_while_the_model_loads_is_stopped(garage: Garage, visit: Visit) -> None:
    garage.stage = "loading"
    chat = visit(garage.url)
    page = panel(chat)
    load(page, "slow")
    assert garage.inside.wait(10)
    page.keyboard.press("Escape")
    chat.type("hello")
    page.click("#send")
    chat.busy()
    expect(page.locator(".status")).to_have_text("Loading the model…")
    page.click("#stop")
    chat.idle()
    expect(chat.articles.last).to_contain_text("Stopped")


def test_engines_on_the_network_are_known_without_their_secrets(garage: Garage, visit: Visit) -> None:
    chat = visit(garage.url)
    page = panel(chat)
    page.fill("#model-reference", "http://me:pa55word@127.0.0.1:9,http://127.0.0.1:10")
    expect(page.locator(".opening")).to_contain_text("SAMOVAR_API_KEY")
    page.locator(".opening button.main").click()
    shown = page.locator(".shelf-row", has_text="127.0.0.1:9")
    expect(shown).to_have_text("***@127.0.0.1:9, 127.0.0.1:10")
    assert "pa55word" not in page.content()
    shown.click()
    page.locator(".opening button.main").click()
    chat.until(lambda: len(garage.choices) == 3)
    assert garage.choices[-1].reference == "http://me:pa55word@127.0.0.1:9,http://127.0.0.1:10"
    page.get_by_role("button", name="Forget this engine").click()
    expect(shown).to_have_count(0)


@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
def test_the_panel_keeps_within_a_phone(garage: Garage, visit: Visit, locale: str) -> None:
    chat = visit(garage.url, locale=locale, viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    page = panel(chat)
    row(page, "one")
    page.locator(".opening summary").click()
    wide = """() => [...document.querySelectorAll('.popover, .popover *')].filter(at => at.checkVisibility())
        .filter(at => { const { left, right } = at.getBoundingClientRect(); return left < 0 || right > 390; })
        .map(at => at.outerHTML.slice(0, 80))"""
    assert page.evaluate(wide) == []
    assert page.evaluate(
        "document.querySelector('.popover').scrollWidth <= document.querySelector('.popover').clientWidth"
    )
