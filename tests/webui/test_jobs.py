import threading
import time
from collections.abc import Callable, Iterator

import pytest

from backends.base import Backend
from backends.errors import EngineFailed
from backends.scripted import Script, ScriptedBackend
from backends.values import ChatPrompt, Message, Request
from webui import jobs as jobs_module
from webui.errors import NoModel
from webui.jobs import Job, Jobs, Outcome


class Log:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.phases: list[str] = []
        self.drafts: list[str] = []
        self.outcome: Outcome | None = None
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
    assert log.outcome is not None
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
    assert log.outcome is not None
    assert (log.outcome.state, log.outcome.text) == ("failed", "Half a reply")
    assert log.outcome.made.error == "engine_failed"
    assert log.outcome.made.error_details == {"reason": "the card fell out"}


def test_an_unexpected_error_is_an_engine_failure(log: Log, running: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    def broken(job: Job) -> tuple[Backend, Request]:
        raise ZeroDivisionError("oh")

    running.start(job(), broken)
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.made.error == "engine_failed"
    assert "ZeroDivisionError" in caplog.text


def test_an_error_before_the_engine_began_is_told_by_its_code(log: Log, running: Jobs) -> None:
    def nothing(job: Job) -> tuple[Backend, Request]:
        raise NoModel

    running.start(job(), nothing)
    assert log.over.wait(5)
    assert log.outcome is not None and log.outcome.made.error == "no_model"


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
