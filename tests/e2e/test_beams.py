"""A beam search on the page: the best beam while it searches, the reply, and the beams as a tree."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from backends.scripted import ScriptedBackend
from backends.values import Branch, Done, Event, Progress, Request, Searching, TextDelta, Timings, Usage
from tests.e2e.site import Chat, Site

BEST = ("In a shop.", "In the kitchen, **black**", "In the kitchen, **black** and old.\n\nIt sang")
TREE = (
    Branch(-1, "In "), Branch(0, "the kitchen, **black** and old."), Branch(1, "\n\nIt sang.", -0.42),
    Branch(1, " The cat slept.", -0.61), Branch(0, "a shop.", -1.25),
)  # fmt: skip


class Searches(ScriptedBackend):
    """Finds one better reply each time the gate is opened, and then the reply."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Semaphore(0)
        self.cancelled = threading.Event()

    def start(self, request: Request) -> Any:
        return self

    def cancel(self) -> None:
        self.cancelled.set()
        self.gate.release(10)

    def __iter__(self) -> Iterator[Event]:
        yield Progress(5, 5)
        best = ""
        for best in BEST:
            yield Searching(best, "", len(best.split()))
            assert self.gate.acquire(timeout=20)
            if self.cancelled.is_set():
                break
        yield TextDelta(best if self.cancelled.is_set() else best + ".", 9)
        reason: Any = "cancelled" if self.cancelled.is_set() else "stop"
        yield Done(reason, Usage(5, 0, 9), Timings(0, 0.1, 1), 1, TREE)


@pytest.fixture
def searches(tmp_path: Path) -> Iterator[tuple[Site, Searches]]:
    backend = Searches()
    site = Site(tmp_path, backend=backend)
    yield site, backend
    site.close()


def test_the_best_beam_is_shown_while_it_searches(searches: tuple[Site, Searches], visit: Callable[..., Chat]) -> None:
    site, backend = searches
    chat = visit(site.url)
    chat.type("Where is the kettle?")
    chat.page.click("#send")
    for shown in ("In a shop.", "In the kitchen, black", "In the kitchen, black and old.\nIt sang"):
        chat.until(lambda shown=shown: chat.texts()[1:] == [shown])  # type: ignore[misc]
        backend.gate.release()
    chat.idle()
    assert chat.texts()[-1] == "In the kitchen, black and old.\nIt sang."
    tree = chat.articles.last.locator(".beams")
    expect(tree.locator("summary")).to_have_text("3 beams")
    tree.locator("summary").click()
    expect(tree.locator("li")).to_have_count(5)
    assert tree.locator(".rating").all_text_contents() == ["1 · −0.42", "2 · −0.61", "3 · −1.25"]
    assert tree.locator("li.taken > .piece").all_text_contents() == [
        "In ", "the kitchen, **black** and old.", "\n\nIt sang.",
    ]  # fmt: skip
    chat.page.reload()
    chat.page.wait_for_selector("#transcript[data-ready]")
    expect(chat.articles.last.locator(".beams summary")).to_have_text("3 beams")


def test_stopped_it_keeps_the_best_beam(searches: tuple[Site, Searches], visit: Callable[..., Chat]) -> None:
    site, _ = searches
    chat = visit(site.url)
    chat.type("Where is the kettle?")
    chat.page.click("#send")
    chat.until(lambda: chat.texts()[1:] == ["In a shop."])
    chat.page.click("#stop")
    chat.idle()
    assert chat.texts()[-1] == "In a shop."
    expect(chat.articles.last).to_contain_text("Stopped")
