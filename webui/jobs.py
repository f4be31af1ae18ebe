"""The running generations, owned by the server and not by a browser tab.

A job has a thread of its own that takes the events from the engine; its text goes to the pages through the live
channel and about once a second into the history. Closing the page changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, repeat

from backends.base import Backend
from backends.errors import EngineFailed, SamovarError
from backends.values import Done, Progress, Queued, ReasoningDelta, Request, Searching, TextDelta
from webui.dialogue import State
from webui.errors import HistoryFailed
from webui.job import Job, Outcome, Status, Watcher

DRAFT_SECONDS = 1.0
UNREAD = 32
"""How many ended impersonations are kept for pages that are being loaded again."""
KEEP_SECONDS = (0.2, 1.0, 5.0)
"""The waits before an end that could not be kept is tried again; the last one is repeated."""

Prepare = Callable[[Job], tuple[Backend, Request]]

log = logging.getLogger(__name__)


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
            if self._closing.is_set() or job.slot in self._running:
                return False
            self._running[job.slot] = job
            thread = threading.Thread(target=self._run, args=(job, prepare), name=f"job {job.slot}", daemon=True)
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
        return next((job for job in reversed(mine) if job.unread), None)

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
            outcome = self._consume(job, prepare)
        except SamovarError as error:
            outcome = job.failed(error)
        except Exception as error:
            log.exception("a job failed")
            outcome = job.failed(EngineFailed(reason=str(error) or type(error).__name__))
        try:
            self._keep(job, outcome)
        except Exception:
            log.exception("the end of a job could not be kept")
        with self._lock:
            self._running.pop(job.slot, None)
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

    def _consume(self, job: Job, prepare: Prepare) -> Outcome:
        try:
            backend, request = prepare(job)
        except SamovarError:
            if job.stopping.is_set():  # while the model was loading
                return job.unbegun()
            raise
        job.made = replace(
            job.made,
            model=backend.info.name,
            fingerprint=backend.info.fingerprint,
            sampling=request.sampling.difference(),
            shape=request.constraint.mapping() if request.constraint is not None else {},
        )
        generation = backend.start(request)
        job.follow(generation)
        for event in generation:
            match event:
                case TextDelta(text, tokens, choices) | ReasoningDelta(text, tokens, choices):
                    job.choices += choices
                    self._text(job, text, isinstance(event, ReasoningDelta), tokens)
                case Searching():
                    self._move(job, Status("writing"))
                    if job.search(event):
                        self._watcher.wrote(job)
                case Progress(done, total):
                    self._move(job, Status("reading", done=done, total=total))
                case Queued(place):
                    self._move(job, Status("queued", place=place))
                case Done(reason, usage, timings, seed, beams):
                    state: State = "stopped" if reason == "cancelled" else "length" if reason == "length" else "done"
                    made = replace(job.made, seed=seed, usage=usage, timings=timings, beams=beams)
                    return job.finished(state, made)
        raise EngineFailed(reason="the generation ended without a word")

    def _text(self, job: Job, text: str, reasoning: bool, tokens: int) -> None:
        if job.status.phase != "writing":
            self._move(job, Status("writing"))
        if job.write(text, reasoning, tokens):
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
                    if job.slot in self._running:
                        self._saved[job] = tokens
