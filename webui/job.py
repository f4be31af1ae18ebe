"""One generation that runs for a page: what it is at, what it has written, and how it ends."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from backends.base import Generation
from backends.errors import SamovarError
from backends.values import Choice, Searching, Speaker
from webui.dialogue import Made, State
from webui.errors import NothingToDo

Phase = Literal["loading", "queued", "reading", "writing", "saving"]


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

    @property
    def slot(self) -> Any:
        """Where it runs: there is one job for a slot at a time."""
        return self.chat if self.chat is not None else (self.account, self.page)

    @property
    def unread(self) -> bool:
        """Whether it has text that no page took."""
        return bool(self._fresh)

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

    def follow(self, generation: Generation) -> None:
        """Take the generation that `stop` ends from now on."""
        self._generation = generation
        if self.stopping.is_set():
            generation.cancel()

    def write(self, text: str, reasoning: bool, tokens: int) -> bool:
        """Keep a piece; return whether the watcher has to be told."""
        if self.searching is not None:
            self.searching, self.tokens = None, 0
        self.tokens += tokens
        if not text:
            return False
        (self._reasoning if reasoning else self._text).append(text)
        self._fresh.append((text, reasoning))
        return self._news()

    def search(self, found: Searching) -> bool:
        """Keep the best reply so far; return whether the watcher has to be told."""
        self.searching, self.tokens = found, found.tokens
        return self.message is not None and self._news()

    def failed(self, error: SamovarError) -> Outcome:
        """Return its end when it failed; nothing that was there before it is lost."""
        if self.continues is not None and self._nothing_new:
            return Outcome(self.continues, self.text, self.reasoning, self.before, error)
        details = {name: str(value) for name, value in error.details.items()}
        made = replace(self.made if self.before is None else self.before, error=error.code, error_details=details)
        return Outcome("failed", self.text, self.reasoning, made, error)

    def unbegun(self) -> Outcome:
        """Return its end when it was stopped before anything began; a reply that should go on stays as it was."""
        made = self.before if self.continues is not None else self.made
        return Outcome(self.continues or "stopped", self.text, self.reasoning, made)

    def finished(self, state: State, made: Made) -> Outcome:
        """Return its end; of a reply that was continued the writing of both parts, and the reading of the last."""
        if state == "done" and self.continues is not None and self._nothing_new:
            return Outcome(self.continues, self.text, self.reasoning, self.before, NothingToDo(reason="whole"))
        return Outcome(state, self.text, self.reasoning, _together(self.before, made))

    @property
    def _nothing_new(self) -> bool:
        return self.text == self.base and self.reasoning == self.base_reasoning

    def _news(self) -> bool:
        told, self._told = self._told, True
        return not told


def _together(before: Made | None, made: Made) -> Made:
    if before is None or before.usage is None or before.timings is None or made.usage is None or made.timings is None:
        return made
    written = before.usage.completion_tokens + made.usage.completion_tokens
    seconds = before.timings.decode + made.timings.decode
    usage, timings = replace(made.usage, completion_tokens=written), replace(made.timings, decode=seconds)
    return replace(made, usage=usage, timings=timings)
