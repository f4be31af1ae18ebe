"""Whether the page keeps up with the model, whatever stands above the reply.

A reply of 400 tokens is asked for by a click in Chromium. "shown" is the time from the click to its last word on the
screen, "first" to its first word less the engine's own time to it. "processor" is what the server spends for a reply
of 2,048 tokens, reckoned from one of half that length. One page is open on a server and goes from chat to chat. The
dialogue has been read up to its beginning, then a person takes two seconds at its end to write.

The scripted model stands for an engine of known pace that takes no processor. With the real one, the browser, the
server and the engine share the cores; "engine alone" reads the same prompt and writes as much, with nobody looking.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page

from backends.base import Backend
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Done, Request, Timings
from tests.bench import Bound, Measure, Ratio, Setup, scripted, talks
from tests.bench.browser import chromium, go, timed, unfold, visit
from tests.bench.server import running, with_model
from webui.dialogue import Dialogue
from webui.history.store import History
from webui.levers import Levers, save_levers
from webui.prompts import Prompts

TITLE = "a reply of 400 tokens in Chromium, over 10, 500 and 2,000 messages"
UNIT = {"shown": "s", "first": "ms", "processor": "CPU-s"}
REPETITIONS = 5
SIZES = (10, 500, 2000)
SCRIPTED_SIZES = (10, 500)
TOKENS = 400
SPEED = 150.0
"""Of the scripted model, in tokens a second: a little above the starter model's on two cores."""
LONG = 1024
WINDOW = 2048
WRITING_MS = 2000
GREEDY = SamplingParams(temperature=0, max_tokens=TOKENS, min_tokens=TOKENS)

RATIOS = (
    Ratio("script, 500 messages: shown", "script, 10 messages: shown", 1.1, at_least=False),
    Ratio("script, 500 messages: shown", "script alone: shown", 1.1, at_least=False),
    Ratio("model, 10 messages: shown", "model alone, 10 messages: shown", 1.1, at_least=False),
    Ratio("model, 500 messages: shown", "model alone, 500 messages: shown", 1.1, at_least=False),
    Ratio("model, 2,000 messages: shown", "model alone, 2,000 messages: shown", 1.1, at_least=False),
)
BOUNDS = (
    Bound("script, long reply: processor", 1.0),
    Bound("script, 500 messages: first", 50),
    Bound("model, 500 messages: first", 50),
)


@contextmanager
def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """Open three servers in processes of their own, a page on each, and the model itself."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = stack.enter_context(chromium())
        dialogues = [talks.talk(random.Random(size), size) for size in SIZES]
        found: dict[str, Measure] = {"script alone": lambda _seed: {"shown": _alone(scripted.model(TOKENS, SPEED))}}
        for kind in ("long", "script", "model"):
            chats = talks.store(folder / kind, dialogues)
        with closing(History(talks.url_of(folder / "model"))) as history:
            save_levers(history, talks.OWNER, Levers(GREEDY))
        found |= stack.enter_context(_scripted(browser, folder / "script", chats))
        found |= stack.enter_context(_long(browser, folder / "long", chats[1]))
        found |= stack.enter_context(_modelled(browser, folder / "model", chats, setup))
        yield found


@contextmanager
def _scripted(browser: Browser, folder: Path, chats: list[int]) -> Iterator[dict[str, Measure]]:
    with scripted.serving(folder, TOKENS, SPEED) as (url, _):
        page = visit(browser, url)
        places = [_Place(page, chat, size) for size, chat in zip(SIZES, chats, strict=True) if size in SCRIPTED_SIZES]
        yield {f"script, {place.size:,} messages": _Sending(place) for place in places}


@contextmanager
def _long(browser: Browser, folder: Path, chat: int) -> Iterator[dict[str, Measure]]:
    with scripted.serving(folder, LONG, SPEED) as (url, process):
        sending = _Sending(_Place(visit(browser, url), chat, 0))

        def measure(seed: int) -> Mapping[str, float]:
            before = _processor(process)
            sending(seed)
            return {"processor": (_processor(process) - before) * 2048 / LONG}

        yield {"script, long reply": measure}


@contextmanager
def _modelled(browser: Browser, folder: Path, chats: list[int], setup: Setup) -> Iterator[dict[str, Measure]]:
    options = BackendOptions(ctx=WINDOW, threads=setup.threads, gpu_layers=0)
    with ExitStack() as stack:
        backend = open_backend(str(setup.model), options)
        stack.callback(backend.close)
        url, _ = stack.enter_context(running(folder, *with_model(setup, WINDOW, 4)))
        history = stack.enter_context(closing(History(talks.url_of(folder))))
        page = visit(browser, url)
        found: dict[str, Measure] = {}
        for size, chat in zip(SIZES, chats, strict=True):
            found[f"model, {size:,} messages"] = _Regenerating(_Place(page, chat, size), history)
            found[f"model alone, {size:,} messages"] = _Alone(backend, _prompt(history, backend, chat))
        yield found


@dataclass(frozen=True)
class _Place:
    """A chat to be gone to on a page, and how many of its messages are to be read there."""

    page: Page
    chat: int
    size: int

    def open(self) -> Page:
        """Go there, read, and return the page."""
        go(self.page, self.chat)
        unfold(self.page, self.size)
        self.page.wait_for_timeout(WRITING_MS)
        return self.page


@dataclass(frozen=True)
class _Sending:
    """Sends a short message to the scripted model."""

    place: _Place

    def __call__(self, seed: int) -> dict[str, float]:
        page = self.place.open()
        page.fill("#composer textarea", talks.words(random.Random(seed), 12))
        page.wait_for_timeout(400)  # until the window has been measured with it
        taken = timed(page, "#send")
        assert len(taken.text) > 2 * TOKENS, taken.text
        return {"shown": taken.last, "first": (taken.first - 1 / SPEED) * 1000}


@dataclass(frozen=True)
class _Regenerating:
    """Asks the model for another version, so that each time it has the whole prompt in its cache."""

    place: _Place
    history: History

    def __call__(self, seed: int) -> dict[str, float]:
        page = self.place.open()
        taken = timed(page, "#regenerate")
        made = self._dialogue().path[-1].made
        assert made is not None and made.timings is not None and made.usage is not None
        assert made.usage.completion_tokens == TOKENS, made
        return {"shown": taken.last, "first": (taken.first - made.timings.first_token) * 1000}

    def _dialogue(self) -> Dialogue:
        return self.history.dialogue(talks.OWNER, self.place.chat)


@dataclass(frozen=True)
class _Alone:
    """The engine with the same prompt and nobody looking."""

    backend: Backend
    prompt: ChatPrompt

    def __call__(self, seed: int) -> dict[str, float]:
        return {"shown": _alone(self.backend, self.prompt)}


def _alone(backend: Backend, prompt: ChatPrompt | None = None) -> float:
    began = time.perf_counter()
    for event in backend.start(Request(prompt or ChatPrompt(()), GREEDY)):
        if isinstance(event, Done):
            assert isinstance(event.timings, Timings) and event.usage.completion_tokens == TOKENS
    return time.perf_counter() - began


def _prompt(history: History, backend: Backend, chat: int) -> ChatPrompt:
    """Return what the page sends for another version of a chat's last reply."""
    dialogue = history.dialogue(talks.OWNER, chat)
    path = Dialogue(dialogue.nodes, dialogue.path[-1].parent).path
    return Prompts(history).fit(backend, "", path, "assistant", "", GREEDY).prompt


def _processor(process: psutil.Process) -> float:
    """Return the seconds of processor time that a server has taken so far."""
    times = process.cpu_times()
    return times.user + times.system
