"""Engines on the network behind the page: what is shown of them, and one that is killed in the middle of a reply."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.backends.remote.llama_server import serving
from tests.e2e.site import Chat, start

Visit = Callable[..., Chat]
Start = Callable[..., str]
MANY = "one two three four five six seven eight nine ten " * 8
LOADED_MS = 30_000


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[tuple[Start, list[subprocess.Popen[bytes]]]]:
    """Start servers; they end with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(*flags: str) -> str:
        process, url = start(tmp_path / f"house{len(processes)}", *flags)
        processes.append(process)
        return url

    yield begin, processes
    for process in processes:
        process.kill()
        process.wait()


def half_written(chat: Chat, text: str) -> None:
    """Ask for a long reply and wait until some of it is there."""
    chat.type(text)
    chat.page.click("#send")
    chat.until(lambda: len(chat.texts()) == 2 and len(chat.texts()[-1]) > 30, 60)


def is_cut_off(page: Page, chat: Chat, url: str) -> str:
    """See that the reply says what happened and that its beginning is kept; return that."""
    chat.idle()
    expect(chat.articles.last).to_contain_text(f"{url} broke off in the middle of the reply")
    draft = chat.texts()[-1]
    assert len(draft) > 30
    page.reload()
    page.wait_for_selector("#transcript[data-ready]")
    chat.until(lambda: chat.texts()[-1:] == [draft])
    return draft


def test_an_engine_dies_in_the_middle_of_a_reply_and_the_next_one_takes_over(
    begun: tuple[Start, list[subprocess.Popen[bytes]]], visit: Visit
) -> None:
    begin, processes = begun
    one, two = begin("--model", "scripted:slow"), begin("--model", "scripted:slow")
    chat = visit(begin("--model", f"{one},{two}"))
    page = chat.page
    page.wait_for_selector('#model[data-state="ready"]', timeout=LOADED_MS)
    page.click("#model")
    expect(page.locator(".now")).to_contain_text("Ready · 2 × Samovar")
    expect(page.locator(".shelf-row")).to_have_text(f"{one}, {two}".replace("http://", ""))
    page.keyboard.press("Escape")

    half_written(chat, MANY)
    page.click("#model")
    expect(page.locator(".peers li")).to_contain_text(["Samovar · 1 at work", "Samovar"])
    processes[0].kill()
    expect(page.locator(".peers li").first).to_contain_text("does not answer", timeout=15_000)
    page.keyboard.press("Escape")
    draft = is_cut_off(page, chat, one)
    assert draft.startswith("You said: one two")

    page.click("#regenerate")
    chat.busy()
    page.wait_for_selector("#transcript:not([data-busy])", timeout=LOADED_MS)
    assert chat.texts()[-1] == f"You said: {MANY}".strip()
    expect(chat.articles.last).to_contain_text("2/2")

    processes[1].kill()
    chat.type("anybody?")
    page.click("#send")
    expect(page.locator(".notice.error")).to_contain_text("nothing answers at")
    expect(chat.box).to_have_value("anybody?")


def test_an_engine_that_is_not_there_leaves_the_model_that_is(
    begun: tuple[Start, list[subprocess.Popen[bytes]]], visit: Visit
) -> None:
    begin, _ = begun
    chat = visit(begin("--model", "scripted:"))
    page = chat.page
    page.wait_for_selector('#model[data-state="ready"]', timeout=LOADED_MS)
    page.click("#model")
    page.fill("#model-reference", "http://127.0.0.1:9")
    page.locator(".opening button.main").click()
    expect(page.locator(".now .mistake")).to_contain_text("nothing answers there")
    expect(page.locator(".now .mistake")).to_contain_text("stays loaded")
    page.fill("#model-reference", begin("--model", "scripted:"))
    page.locator(".opening button.main").click()
    expect(page.locator(".now")).to_contain_text("Ready · Samovar")
    expect(page.locator(".now .mistake")).to_have_count(0)


@pytest.mark.model
def test_llama_cpp_s_own_server_is_killed_in_the_middle_of_a_reply(
    starter_model: Path, begun: tuple[Start, list[subprocess.Popen[bytes]]], visit: Visit
) -> None:
    begin, _ = begun
    with serving(starter_model, 512) as one, serving(starter_model, 512) as two:
        chat = visit(begin("--model", f"{one.url},{two.url}"))
        page = chat.page
        page.wait_for_selector('#model[data-state="ready"]', timeout=LOADED_MS)
        page.click("#model")
        expect(page.locator(".now")).to_contain_text("Ready · 2 × llama-server")
        expect(page.locator(".now dl")).not_to_contain_text("an estimate")
        page.keyboard.press("Escape")
        chat.levers()
        page.fill("#knob-max_tokens input[type=number]", "300")
        half_written(chat, "Tell me a long story about a kettle and a cat.")
        one.kill()
        is_cut_off(page, chat, one.url)
        page.fill("#knob-max_tokens input[type=number]", "8")
        page.click("#regenerate")
        chat.busy()
        page.wait_for_selector("#transcript:not([data-busy])", timeout=LOADED_MS)
        assert chat.texts()[-1]
        expect(chat.articles.last.locator(".stats")).to_contain_text("8 tokens")
