"""The generations of one answer: each in a thread of its own, heard by one coroutine.

What they write is handed over in frames, for to wake the event loop costs as much as a good part of a token: a text
that comes after a pause at once, what follows with it within `FRAME_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterator

from backends.base import Backend, Generation
from backends.errors import EngineFailed, SamovarError
from backends.values import Done, Event, Progress, Queued, ReasoningDelta, Request, TextDelta
from webui.api.fields import Groups
from webui.waiting import until_set

log = logging.getLogger(__name__)

FRAME_SECONDS = 0.03
"""How long text waits for its neighbours, at most: some 30 frames a second are smooth to a reader."""

_TEXT = (TextDelta, ReasoningDelta)

Heard = tuple[int, Event]
"""Which of the requests, counted through all groups, and what it said."""


class Generations:
    """Running generations.

    The others of a group begin once its first one has read the prompt, so that it need not be read again.
    Made and used on one event loop; `close` must be called in the end.
    """

    def __init__(self, backend: Backend, groups: Groups) -> None:
        self._backend = backend
        self._loop = asyncio.get_running_loop()
        self._said: deque[tuple[int, Event | SamovarError | None]] = deque()  # by the threads, not yet in a frame
        self._waking = False
        self._due = 0.0
        self._heard: deque[tuple[int, Event | SamovarError]] = deque()
        self._news = asyncio.Event()
        self._followers: dict[int, list[tuple[int, Request]]] = {}
        self._accepted: dict[int, asyncio.Future[None]] = {}
        self._running: list[Generation] = []
        self._stopping = threading.Event()
        self._numbered = _numbered(groups)
        self._unfinished = sum(map(len, self._numbered))

    @classmethod
    async def start(cls, backend: Backend, groups: Groups) -> Generations:
        """Start them; returns once a request of every group is accepted. Raises what `Backend.start` does."""
        generations = cls(backend, groups)
        try:
            await generations._lead()
        except BaseException:
            generations.close()
            raise
        return generations

    async def next(self, seconds: float) -> list[Heard]:
        """Return what is said next, nothing when nothing is said for so long. Raises the error of a generation.

        Not to be called any more once `over`.
        """
        if not self._heard:
            self._news.clear()
            await until_set(self._news, seconds)
        told: list[Heard] = []
        while self._heard:
            index, said = self._heard[0]
            if isinstance(said, SamovarError):
                if told:  # what was written before is told first
                    break
                raise said
            self._heard.popleft()
            self._take(index, said)
            told.append((index, said))
        return told

    def _take(self, index: int, said: Event) -> None:
        if isinstance(said, Done):
            self._unfinished -= 1
        if not isinstance(said, Queued | Progress):
            for follower in self._followers.pop(index, ()):
                self._begin(*follower)

    @property
    def over(self) -> bool:
        """Whether all of them are done."""
        return self._unfinished == 0

    def close(self) -> None:
        """Cancel what still runs; returns at once."""
        self._stopping.set()
        for generation in list(self._running):
            generation.cancel()

    async def _lead(self) -> None:
        for (first, request), *others in self._numbered:
            self._accepted[first] = self._loop.create_future()
            self._followers[first] = others
            self._begin(first, request)
        await asyncio.gather(*self._accepted.values())

    def _begin(self, index: int, request: Request) -> None:
        threading.Thread(target=self._run, args=(index, request), name="api generation", daemon=True).start()

    def _run(self, index: int, request: Request) -> None:
        try:
            if self._stopping.is_set():
                return
            generation = self._backend.start(request)
            self._running.append(generation)
            # Whoever closes sets the flag first and then looks at the list, so one of the two sees the other.
            if self._stopping.is_set():
                generation.cancel()
            self._tell(index, None)
            event: Event | None = None
            for event in generation:
                self._tell(index, event)
            if not isinstance(event, Done):
                raise EngineFailed(reason="the generation ended without a word")
        except SamovarError as error:
            self._tell(index, error)
        except Exception as error:
            log.exception("a generation failed")
            self._tell(index, EngineFailed(reason=str(error) or type(error).__name__))

    def _tell(self, index: int, said: Event | SamovarError | None) -> None:
        self._said.append((index, said))
        text = isinstance(said, _TEXT)
        if text and self._waking:
            return
        # First told, then asked: the loop lowers the flag before it looks, so one of the two sees the other.
        self._waking = True
        # A server that is shutting down has closed its loop: nobody listens any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wait_for_frame if text else self._deliver)

    def _wait_for_frame(self) -> None:
        if self._loop.time() < self._due:
            self._loop.call_at(self._due, self._deliver)
        else:
            self._deliver()

    def _deliver(self) -> None:
        self._waking = False
        for _ in range(len(self._said)):  # not what is added meanwhile: it might never end
            index, said = self._said.popleft()
            if isinstance(said, _TEXT):
                self._due = self._loop.time() + FRAME_SECONDS
            self._hear(index, said)
        if self._heard:
            self._news.set()

    def _hear(self, index: int, said: Event | SamovarError | None) -> None:
        accepted = self._accepted.get(index)
        if accepted is not None and not accepted.done():
            if isinstance(said, SamovarError):
                accepted.set_exception(said)
            else:
                accepted.set_result(None)
        elif said is not None:
            self._heard.append((index, said))


def _numbered(groups: Groups) -> list[list[tuple[int, Request]]]:
    numbers: Iterator[int] = iter(range(sum(map(len, groups))))
    return [[(next(numbers), request) for request in group] for group in groups]
