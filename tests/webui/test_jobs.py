import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from backends.base import Backend
from backends.errors import EngineFailed
from backends.scripted import Script, ScriptedBackend
from backends.values import (
    Branch,
    ChatPrompt,
    Done,
    Event,
    Message,
    Request,
    Searching,
    TextDelta,
    Timings,
    Usage,
)
from webui import jobs as jobs_module
from webui.dialogue import Made
from webui.errors import DatabaseUnavailable, NoModel, StorageFull
from webui.history.made import read_made, write_made
from webui.job import Job, Outcome
from webui.jobs import Jobs


class Log:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.phases: list[str] = []
        self.drafts: list[str] = []
        self.outcome: Outcome | None = None
        self.refusals: list[Exception] = []
        self.over = threading.Event()
        self.wrote_once = threading.Event()

    def began(self, job: Job) -> None:
        self.events.append("began")

    def moved(self, job: Job) -> None:
        self.phases.append(job.status.phase)

    def wrote(self, job: Job) -> None:
        self.events.append("wrote")
        self.wrote_once.set()

    def draft(self, job: Job, text: str, reasoning: str) -> None:
        self.drafts.append(text)

    def keep(self, job: Job, outcome: Outcome) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.outcome = outcome

    def ended(self, job: Job, outcome: Outcome) -> None:
        self.events.append("ended")
        self.over.set()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def running(log: Log) -> Iterator[Jobs]:
    running = Jobs(log)
    yield running
    running.close()


def asking(backend: Backend) -> Callable[[Job], tuple[Backend, Request]]:
    return lambda job: (backend, Request(ChatPrompt((Message("user", "hello there"),))))


def job(chat: int | None = 1, **more: object) -> Job:
    return Job(1, "page", chat, "assistant", message=7, **more)  # type: ignore[arg-type]


def test_a_job_collects_the_text_and_says_what_made_it(log: Log, running: Jobs) -> None:
    asked = job(base="Well: ")
    assert running.start(asked, asking(ScriptedBackend()))
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.made is not None
    assert log.outcome.text == "Well: You said: hello there"
    assert log.outcome.state == "done"
    assert log.outcome.made.model == "scripted"
    assert log.outcome.made.usage is not None and log.outcome.made.usage.completion_tokens == 4
    assert log.phases == ["reading"] * log.phases.count("reading") + ["writing"]
    assert log.events[0] == "began" and log.events[-1] == "ended"


def test_the_watcher_is_told_again_only_after_it_took_the_text(log: Log, running: Jobs) -> None:
    asked = job()
    running.start(asked, asking(ScriptedBackend()))
    assert log.over.wait(5)
    assert log.events.count("wrote") == 1
    assert "".join(text for text, _ in asked.take()) == "You said: hello there"
    assert asked.take() == []


def test_stop_keeps_what_was_written(log: Log, running: Jobs) -> None:
    asked = job()
    running.start(asked, asking(ScriptedBackend(Script(replies=["word " * 1000], delay=0.01))))
    assert log.wrote_once.wait(5)
    asked.stop()
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.state == "stopped"
    assert log.outcome.text.startswith("word") and len(log.outcome.text) < 4000
    assert running.of_chat(1) is None


def test_one_job_a_chat_and_many_chats(log: Log, running: Jobs) -> None:
    slow = ScriptedBackend(Script(replies=["word " * 1000], delay=0.01))
    first = job(1)
    assert running.start(first, asking(slow))
    assert not running.start(job(1), asking(slow))
    assert running.start(job(2), asking(slow))
    assert running.busy_chats() == {1, 2}
    assert running.of_chat(1) is first
    assert running.of_chat(3) is None and running.of_chat(None) is None


def test_an_engine_that_dies_leaves_the_text_and_the_error(log: Log, running: Jobs) -> None:
    running.start(job(), asking(ScriptedBackend(Script(replies=[EngineFailed(reason="the card fell out")]))))
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.made is not None
    assert (log.outcome.state, log.outcome.text) == ("failed", "Half a reply")
    assert log.outcome.made.error == "engine_failed"
    assert log.outcome.made.error_details == {"reason": "the card fell out"}


def test_an_unexpected_error_is_an_engine_failure(log: Log, running: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    def broken(job: Job) -> tuple[Backend, Request]:
        raise ZeroDivisionError("oh")

    running.start(job(), broken)
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.made is not None and log.outcome.made.error == "engine_failed"
    assert "ZeroDivisionError" in caplog.text


def test_an_error_before_the_engine_began_is_told_by_its_code(log: Log, running: Jobs) -> None:
    def nothing(job: Job) -> tuple[Backend, Request]:
        raise NoModel

    running.start(job(), nothing)
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.made is not None and log.outcome.made.error == "no_model"


def test_drafts_are_saved_while_it_writes(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "DRAFT_SECONDS", 0.05)
    running = Jobs(log)
    running.start(job(), asking(ScriptedBackend(Script(replies=["word " * 1000], delay=0.01))))
    deadline = time.monotonic() + 5
    while len(log.drafts) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.close()
    assert len(log.drafts) >= 2
    assert len(log.drafts[1]) > len(log.drafts[0]) > 0
    assert log.outcome is not None and log.outcome.text.startswith(log.drafts[1])


def test_close_ends_all_and_refuses_more(log: Log) -> None:
    running = Jobs(log)
    running.start(job(), asking(ScriptedBackend(Script(replies=["word " * 1000], delay=0.01))))
    running.close()
    assert log.outcome is not None and log.outcome.state == "stopped"
    assert not running.start(job(2), asking(ScriptedBackend()))


def test_an_end_that_cannot_be_kept_is_tried_again(log: Log, running: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "KEEP_SECONDS", (0.01,))
    log.refusals = [StorageFull(), DatabaseUnavailable(reason="locked"), DatabaseUnavailable(reason="locked")]
    running.start(job(), asking(ScriptedBackend()))
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.text == "You said: hello there"
    assert log.phases[-1] == "saving"


def test_an_end_that_can_never_be_kept_does_not_hold_up_the_close(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "KEEP_SECONDS", (0.01,))
    running = Jobs(log)
    log.refusals = [StorageFull() for _ in range(100_000)]
    running.start(job(), asking(ScriptedBackend()))
    running.close()
    assert log.over.is_set() and log.outcome is None


def test_a_reply_that_cannot_go_on_stays_as_it_was(log: Log, running: Jobs) -> None:
    before = Made(model="old", seed=4)
    running.start(job(base="All of it.", before=before, continues="done"), _failing)
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.error is not None
    assert (log.outcome.state, log.outcome.made, log.outcome.error.code) == ("done", before, "no_model")


def test_a_reply_that_fails_while_it_goes_on_keeps_what_made_it(log: Log, running: Jobs) -> None:
    broken = ScriptedBackend(Script(replies=[EngineFailed(reason="gone")]))
    running.start(job(base="First. ", before=Made(model="old", seed=4), continues="done"), asking(broken))
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.made is not None
    assert (log.outcome.state, log.outcome.text) == ("failed", "First. Half a reply")
    assert (log.outcome.made.model, log.outcome.made.error) == ("old", "engine_failed")


def test_what_was_written_for_a_page_that_is_away_waits_for_it(log: Log, running: Jobs) -> None:
    asked = Job(1, "page", 1, "user", base="My ")
    running.start(asked, asking(ScriptedBackend()))
    assert log.over.wait(5)
    assert running.unread(2, "page") is None and running.unread(1, "other") is None
    assert running.unread(1, "page") is asked
    assert running.unread(1, "page") is None, "only once"


def _failing(job: Job) -> tuple[Backend, Request]:
    raise NoModel


class Told:
    """A generation that tells what it is given; an error among it is raised."""

    def __init__(self, events: Sequence[Event | Exception], gate: threading.Event) -> None:
        self.events, self.gate = events, gate

    def __iter__(self) -> Iterator[Event]:
        for event in self.events:
            if not isinstance(event, Searching):
                assert self.gate.wait(5)
            if isinstance(event, Exception):
                raise event
            yield event

    def cancel(self) -> None:
        pass


class Beams(ScriptedBackend):
    """Searches with beams as it is told to."""

    def __init__(self, *events: Event | Exception) -> None:
        super().__init__()
        self.events, self.gate = events, threading.Event()

    def start(self, request: Request) -> Any:
        return Told(self.events, self.gate)


BEST = (Searching("A cat", "", 2), Searching("A dog", "", 2), Searching("A dog ran", "", 3))
TREE = (Branch(-1, "A"), Branch(0, " dog ran", -0.5), Branch(0, " cat", -0.7))


def test_the_best_beam_so_far_is_the_text_until_the_reply_comes(log: Log, running: Jobs) -> None:
    done = Done("stop", Usage(4, 0, 3), Timings(0, 0, 1), 7, TREE)
    backend, asked = Beams(*BEST, TextDelta("A dog ran.", 4), done), job(base="Well: ")
    running.start(asked, asking(backend))
    assert log.wrote_once.wait(5)
    while asked.searching != BEST[-1]:
        asked.take()
    assert (asked.text, asked.tokens, asked.take()) == ("Well: A dog ran", 3, [])
    backend.gate.set()
    assert log.over.wait(5) and log.outcome is not None and log.outcome.made is not None
    assert (log.outcome.text, log.outcome.made.beams, asked.tokens) == ("Well: A dog ran.", TREE, 4)
    assert [text for text, _ in asked.take()] == ["A dog ran."]
    assert read_made(write_made(log.outcome.made) or "") == log.outcome.made


def test_a_search_that_dies_leaves_the_best_beam(log: Log, running: Jobs) -> None:
    backend = Beams(*BEST, EngineFailed(reason="the card fell out"))
    backend.gate.set()
    running.start(job(), asking(backend))
    assert log.over.wait(5) and log.outcome is not None and log.outcome.made is not None
    assert (log.outcome.state, log.outcome.text) == ("failed", "A dog ran")


def test_a_reply_that_should_go_on_and_was_stopped_before_stays_as_it_was(log: Log, running: Jobs) -> None:
    before = Made(model="old", seed=4)
    asked = job(base="All of it.", before=before, continues="length")

    def stopped(at: Job) -> tuple[Backend, Request]:
        at.stop()
        raise NoModel

    running.start(asked, stopped)
    assert log.over.wait(5)
    assert log.outcome is not None
    assert (log.outcome.state, log.outcome.text, log.outcome.made) == ("length", "All of it.", before)


def test_a_whole_reply_that_goes_on_keeps_its_figures_and_says_so(log: Log, running: Jobs) -> None:
    before = Made(model="old", seed=4)
    running.start(
        job(base="All of it.", before=before, continues="done"), asking(ScriptedBackend(Script(replies=[""])))
    )
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.error is not None
    assert (log.outcome.made, log.outcome.error.code) == (before, "nothing_to_do")
