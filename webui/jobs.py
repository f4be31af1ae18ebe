"""One running generation, owned by the server and not by a browser tab.

A job has a thread of its own that takes the events from the engine; its text goes to the pages through the live
channel and about once a second into the history. Closing the page changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any, Literal, Protocol

from backends.base import Backend, Generation
from backends.errors import EngineFailed, SamovarError
from backends.values import Choice, Done, Progress, Queued, ReasoningDelta, Request, Searching, Speaker, TextDelta
from webui.dialogue import Made, State
from webui.errors import HistoryFailed

DRAFT_SECONDS = 1.0
UNREAD = 32
"""How many ended impersonations are kept for pages that are being loaded again."""
KEEP_SECONDS = (0.2, 1.0, 5.0)
"""The waits before an end that could not be kept is tried again; the last one is repeated."""

Phase = Literal["loading", "queued", "reading", "writing", "saving"]
Prepare = Callable[["Job"], tuple[Backend, Request]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """What a job is doing: `place` in the queue, or `done` of `total` prompt tokens; `error` keeps it from saving."""

    phase: Phase = "loading"
    place: int = 0
    done: int = 0
    total: int = 0
    error: SamovarError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. `text` and `reasoning` are whole, what was there before it included.

    `error` is why it failed. A reply that should only have gone on, and could not, stays as it was: then `state` and
    `made` tell nothing of the error.
    """

    state: State
    text: str
    reasoning: str
    made: Made | None
    error: SamovarError | None = None


class Watcher(Protocol):
    """Who is told what a job does; called from the job's thread."""

    def began(self, job: Job) -> None:
        """Tell that the job was accepted."""

    def moved(self, job: Job) -> None:
        """Tell that `job.status` changed."""

    def wrote(self, job: Job) -> None:
        """Tell that there is more text; said again only after `job.take` was called."""

    def draft(self, job: Job, text: str, reasoning: str) -> None:
        """Keep the text so far."""

    def keep(self, job: Job, outcome: Outcome) -> None:
        """Keep the outcome; the chat stays busy until this returns. Tried again while it raises `HistoryFailed`."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """Tell that the job is over; its chat is free again."""


@dataclass(eq=False)
class Job:
    """A generation for a chat (`chat` None: an impersonation before there is one) that `page` of `account` asked for.

    `message` is the reply being written, None for Impersonate. `base` is the text that is there already.
    """

    account: int
    page: str
    chat: int | None
    speaker: Speaker
    message: int | None = None
    base: str = ""
    base_reasoning: str = ""
    before: Made | None = None
    """What made the part that is there already."""
    continues: State | None = None
    """How the reply that goes on had ended; None for a new one."""
    made: Made = field(default_factory=Made)
    status: Status = field(default_factory=Status)
    tokens: int = 0
    choices: list[Choice] = field(default_factory=list)
    searching: Searching | None = None
    """What a beam search has so far: it may change, and is text all the same when the search breaks off."""
    stopping: threading.Event = field(default_factory=threading.Event)
    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _fresh: deque[tuple[str, bool]] = field(default_factory=deque)
    _told: bool = False
    _generation: Generation | None = None

    @property
    def text(self) -> str:
        """The whole text so far."""
        return self.base + "".join(self._text) + (self.searching.text if self.searching else "")

    @property
    def reasoning(self) -> str:
        """The whole thinking so far."""
        return self.base_reasoning + "".join(self._reasoning) + (self.searching.reasoning if self.searching else "")

    def stop(self) -> None:
        """Ask the job to end, within one token; what was written is kept."""
        self.stopping.set()
        if self._generation is not None:
            self._generation.cancel()

    def take(self) -> list[tuple[str, bool]]:
        """Return the pieces that came since the last call, as (text, is reasoning)."""
        self._told = False
        taken = []
        while self._fresh:
            taken.append(self._fresh.popleft())
        return taken

    def _write(self, text: str, reasoning: bool, tokens: int) -> bool:
        """Keep a piece; return whether the watcher has to be told."""
        if self.searching is not None:
            self.searching, self.tokens = None, 0
        self.tokens += tokens
        if not text:
            return False
        (self._reasoning if reasoning else self._text).append(text)
        self._fresh.append((text, reasoning))
        return self._news()

    def _search(self, found: Searching) -> bool:
        """Keep the best reply so far; return whether the watcher has to be told."""
        self.searching, self.tokens = found, found.tokens
        return self.message is not None and self._news()

    def _news(self) -> bool:
        told, self._told = self._told, True
        return not told


class Jobs:
    """All running jobs: at most one for each chat, and one impersonation for each page without a chat."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._running: dict[object, Job] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._saved: dict[Job, int] = {}
        self._unread: list[Job] = []
        self._saver = threading.Thread(target=self._save_drafts, name="drafts", daemon=True)
        self._saver.start()

    def start(self, job: Job, prepare: Prepare) -> bool:
        """Run a job in a thread of its own; False if its chat is busy.

        `prepare` runs there: it waits for the model and returns it with the request.
        """
        with self._lock:
            if self._closing.is_set() or _slot(job) in self._running:
                return False
            self._running[_slot(job)] = job
            thread = threading.Thread(target=self._run, args=(job, prepare), name=f"job {_slot(job)}", daemon=True)
            self._threads.add(thread)
        self._watcher.began(job)
        thread.start()
        return True

    def of_chat(self, chat: int | None) -> Job | None:
        """Return the job that runs in a chat."""
        return self._running.get(chat) if chat is not None else None

    def of_page(self, account: int, page: str) -> Job | None:
        """Return the job that runs on a page that has no chat yet."""
        return self._running.get((account, page))

    def unread(self, account: int, page: str) -> Job | None:
        """Return an impersonation that ended while its page was away, if it has text that no page took."""
        with self._lock:
            mine = [job for job in self._unread if (job.account, job.page) == (account, page)]
            self._unread = [job for job in self._unread if job not in mine]
        return next((job for job in reversed(mine) if job._fresh), None)

    def busy_chats(self) -> frozenset[int]:
        """Return the ids of the chats in which a job runs."""
        with self._lock:
            return frozenset(slot for slot in self._running if isinstance(slot, int))

    def stop_account(self, account: int) -> None:
        """Stop all that is written for an account; what was written is kept."""
        with self._lock:
            jobs = [job for job in self._running.values() if job.account == account]
        for job in jobs:
            job.stop()

    def close(self, seconds: float = 5.0) -> None:
        """Stop all jobs, keeping what was written, and wait for their ends."""
        self._closing.set()
        with self._lock:
            jobs, threads = list(self._running.values()), list(self._threads)
        for job in jobs:
            job.stop()
        deadline = time.monotonic() + seconds
        for thread in [*threads, self._saver]:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, job: Job, prepare: Prepare) -> None:
        try:
            state, made = self._consume(job, prepare)
            outcome = Outcome(state, job.text, job.reasoning, made)
        except SamovarError as error:
            outcome = _failed(job, error)
        except Exception as error:
            log.exception("a job failed")
            outcome = _failed(job, EngineFailed(reason=str(error) or type(error).__name__))
        try:
            self._keep(job, outcome)
        except Exception:
            log.exception("the end of a job could not be kept")
        with self._lock:
            self._running.pop(_slot(job), None)
            self._saved.pop(job, None)
            self._threads.discard(threading.current_thread())
            if job.message is None:
                self._unread = [*self._unread[1 - UNREAD :], job]
        self._watcher.ended(job, outcome)

    def _keep(self, job: Job, outcome: Outcome) -> None:
        """Keep the end of a job, and go on trying for as long as the database refuses."""
        for wait in chain(KEEP_SECONDS, repeat(KEEP_SECONDS[-1])):
            try:
                self._watcher.keep(job, outcome)
                return
            except HistoryFailed as error:
                if self._closing.is_set():
                    raise
                log.error("the end of a job could not be kept, trying again: %s", error)
                self._move(job, Status("saving", error=error))
                self._closing.wait(wait)

    def _consume(self, job: Job, prepare: Prepare) -> tuple[State, Made]:
        try:
            backend, request = prepare(job)
        except SamovarError:
            if job.stopping.is_set():  # while the model was loading
                return "stopped", job.made
            raise
        job.made = replace(
            job.made,
            model=backend.info.name,
            fingerprint=backend.info.fingerprint,
            sampling=request.sampling.difference(),
            shape=request.constraint.mapping() if request.constraint is not None else {},
        )
        generation = backend.start(request)
        job._generation = generation
        if job.stopping.is_set():
            generation.cancel()
        for event in generation:
            match event:
                case TextDelta(text, tokens, choices) | ReasoningDelta(text, tokens, choices):
                    job.choices += choices
                    self._text(job, text, isinstance(event, ReasoningDelta), tokens)
                case Searching():
                    self._move(job, Status("writing"))
                    if job._search(event):
                        self._watcher.wrote(job)
                case Progress(done, total):
                    self._move(job, Status("reading", done=done, total=total))
                case Queued(place):
                    self._move(job, Status("queued", place=place))
                case Done(reason, usage, timings, seed, beams):
                    state: State = "stopped" if reason == "cancelled" else "length" if reason == "length" else "done"
                    made = replace(job.made, seed=seed, usage=usage, timings=timings, beams=beams)
                    return state, _together(job.before, made)
        raise EngineFailed(reason="the generation ended without a word")

    def _text(self, job: Job, text: str, reasoning: bool, tokens: int) -> None:
        if job.status.phase != "writing":
            self._move(job, Status("writing"))
        if job._write(text, reasoning, tokens):
            self._watcher.wrote(job)

    def _move(self, job: Job, status: Status) -> None:
        if job.status != status:
            job.status = status
            self._watcher.moved(job)

    def _save_drafts(self) -> None:
        while not self._closing.wait(DRAFT_SECONDS):
            with self._lock:
                jobs = [job for job in self._running.values() if job.tokens > self._saved.get(job, 0)]
            for job in jobs:
                tokens = job.tokens
                try:
                    self._watcher.draft(job, job.text, job.reasoning)
                except Exception:
                    log.exception("a draft could not be saved")
                    continue
                with self._lock:
                    if _slot(job) in self._running:
                        self._saved[job] = tokens


def _failed(job: Job, error: SamovarError) -> Outcome:
    """Return the end of a job that failed; nothing that was there before it is lost."""
    if job.continues is not None and job.text == job.base and job.reasoning == job.base_reasoning:
        return Outcome(job.continues, job.text, job.reasoning, job.before, error)
    details = {name: str(value) for name, value in error.details.items()}
    made = replace(job.made if job.before is None else job.before, error=error.code, error_details=details)
    return Outcome("failed", job.text, job.reasoning, made, error)


def _together(before: Made | None, made: Made) -> Made:
    """Return what made a reply that was continued: the writing of both parts, the reading of the last."""
    if before is None or before.usage is None or before.timings is None or made.usage is None or made.timings is None:
        return made
    written = before.usage.completion_tokens + made.usage.completion_tokens
    seconds = before.timings.decode + made.timings.decode
    usage, timings = replace(made.usage, completion_tokens=written), replace(made.timings, decode=seconds)
    return replace(made, usage=usage, timings=timings)


def _slot(job: Job) -> Any:
    return job.chat if job.chat is not None else (job.account, job.page)
