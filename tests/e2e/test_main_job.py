"""The main job: the program as it is started, the starter model, a real browser."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.site import Chat, start

Visit = Callable[..., Chat]
WRITTEN = 400
"""Tokens of the first reply: seconds even on a fast machine, so that one sees it grow."""
REPLY_MS = 120_000


@pytest.mark.model
def test_a_person_chats_with_the_starter_model(tmp_path: Path, starter_model: Path, visit: Visit) -> None:
    process, url = start(tmp_path, "--model", str(starter_model), "--ctx", "2048")
    try:
        chat = visit(url)
        page = chat.page
        page.wait_for_selector('#model[data-state="ready"]', timeout=REPLY_MS)
        chat.levers()
        page.locator("#preset select").select_option("deterministic")
        expect(page.locator("#knob-temperature input[type=number]")).to_have_value("0")
        page.locator("#knob-min_tokens input[type=number]").evaluate("at => at.closest('details').open = true")
        for knob in ("max_tokens", "min_tokens"):
            page.fill(f"#knob-{knob} input[type=number]", str(WRITTEN))

        # Sent: the reply is streamed, and says what it took.
        chat.type("Tell me about tea. Ещё 🎉")
        page.click("#send")
        lengths: set[int] = set()
        chat.until(lambda: len(chat.texts()) == 2, 30)
        chat.until(lambda: lengths.add(len(chat.texts()[-1])) or len(lengths) > 5, 120)
        page.wait_for_selector("#transcript:not([data-busy])", timeout=REPLY_MS)
        first = chat.texts()[-1]
        assert chat.texts()[0] == "Tell me about tea. Ещё 🎉" and len(first) > 10
        expect(chat.articles.last.locator(".stats")).to_contain_text("SmolLM2")
        expect(chat.articles.last.locator(".stats")).to_contain_text(f"{WRITTEN} tokens")
        for knob in ("max_tokens", "min_tokens"):
            page.fill(f"#knob-{knob} input[type=number]", "48")

        # Continued: in the same message, from its last character.
        page.click("#continue")
        chat.busy()
        page.wait_for_selector("#transcript:not([data-busy])", timeout=REPLY_MS)
        assert chat.texts()[-1].startswith(first) and len(chat.texts()) == 2

        # A long reply is stopped, and what was written stays.
        page.fill("#knob-max_tokens input[type=number]", "1000")
        page.fill("#knob-min_tokens input[type=number]", "500")
        page.click("#regenerate")
        chat.until(lambda: len(chat.texts()[-1]) > 20, 120)
        page.click("#stop")
        page.wait_for_selector("#transcript:not([data-busy])", timeout=5000)
        expect(chat.articles.last).to_contain_text("Stopped")
        expect(chat.articles.last).to_contain_text("2/2")

        # Impersonated: the model writes into the input box.
        page.click("#neutral")
        page.fill("#knob-max_tokens input[type=number]", "12")
        page.click("#impersonate")
        chat.busy()
        page.wait_for_selector("#transcript:not([data-busy])", timeout=REPLY_MS)
        assert chat.box.input_value().strip()
        meter = page.locator("#context-meter")
        chat.until(lambda: int(meter.get_attribute("data-used") or 0) > 43)  # the first prompt alone
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) is not None
