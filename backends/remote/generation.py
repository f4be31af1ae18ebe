"""One request on its way: sent, sent again while nothing of the reply is there, streamed, cancelled at once."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from backends.constraints import Constraint
from backends.errors import EngineClosed, EngineFailed, SamovarError
from backends.remote.client import Limits
from backends.remote.engines import Engine
from backends.remote.failures import Failure, Lost, Refused, while_asking
from backends.remote.frames import Json
from backends.remote.loop import Loop
from backends.remote.pool import Member, Place, Pool
from backends.remote.reply import Reply
from backends.remote.spelling import spelled
from backends.remote.wires import Wire
from backends.sampling import SamplingParams
from backends.values import Done, Event, FinishReason, Prompt

log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds to wait for the usage, once the reply has come to its end."""
_LEAST_ROOM = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: `params` hold the seed that is to be used; `fit` tells which engines can do it."""

    prompt: Prompt
    params: SamplingParams
    fit: Callable[[Engine], bool]
    constraint: Constraint | None = None
    alternatives: int = 0


class RemoteGeneration:
    """See `backends.base.Generation`. `_work` runs on the loop; everything else in the threads of others."""

    def __init__(self, loop: Loop, pool: Pool, limits: Limits, asked: Asked, place: Place) -> None:
        """Send the request. Raises `EngineClosed`."""
        self._loop, self._pool, self._limits, self._asked = loop, pool, limits, asked
        self._events: SimpleQueue[Event | SamovarError] = SimpleQueue()
        self._window = place.engine.about.window
        self._reply = Reply(place.ready, asked.params.stop, asked.params.seed, self._events.put)
        self._cancelled = threading.Event()
        self._task: asyncio.Task[Any] | None = None
        self._finish: FinishReason | None = None
        working = loop.spawn(self._work(place))
        # A task that is cancelled before its first step never gets to tell its end.
        working.add_done_callback(lambda future: self._events.put(EngineClosed()) if future.cancelled() else None)

    def __iter__(self) -> Iterator[Event]:
        """Yield the events; leaving early cancels the request."""
        try:
            while True:
                event = self._events.get()
                if isinstance(event, SamovarError):
                    raise event
                yield event
                if isinstance(event, Done):
                    return
        finally:
            self.cancel()

    def cancel(self) -> None:
        """See `Generation.cancel`."""
        if not self._cancelled.is_set():
            self._cancelled.set()
            self._loop.call(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _work(self, place: Place) -> None:
        self._task = asyncio.current_task()
        try:
            outcome = await self._outcome(place)
        except asyncio.CancelledError:
            outcome = self._reply.finish("cancelled") if self._cancelled.is_set() else EngineClosed()
        except Exception as error:
            log.exception("a request failed")
            outcome = EngineFailed(reason=f"{type(error).__name__}: {error}")
        self._task = None
        self._events.put(outcome)

    async def _outcome(self, place: Place) -> Done | SamovarError:
        if self._cancelled.is_set():
            return self._reply.finish("cancelled")
        try:
            return self._reply.finish(await self._send(place))
        except SamovarError as error:
            return error

    async def _send(self, place: Place | None) -> FinishReason:
        """Send the request until an engine takes it, or there were enough attempts. Raises `SamovarError`."""
        tried: set[Member] = set()
        pause = self._limits.pause
        for attempt in range(1, self._limits.attempts + 1):
            try:
                if place is None:
                    place = await asyncio.to_thread(self._pool.place, self._asked.prompt, self._asked.fit, tried)
                tried.add(place.member)
                return await self._stream(place)
            except Failure as failure:
                wait = failure.wait if isinstance(failure, Refused) else None
                everywhere = place is None or len(tried) == len(self._pool.members)
                hopeless = attempt == self._limits.attempts or (everywhere and (wait or 0) > self._limits.longest_pause)
                if hopeless or self._reply.begun or not _repeatable(failure):
                    raise while_asking(failure, self._window, self._reply.begun) from None
            if everywhere:
                # Several requests that failed together should not come back together.
                self._reply.wait()
                await asyncio.sleep(wait if wait is not None else pause * random.uniform(0.75, 1.25))
                pause = min(2 * pause, self._limits.longest_pause)
                tried.clear()
            place = None
        raise AssertionError("the last attempt returns or raises")

    async def _stream(self, place: Place) -> FinishReason:
        """Send the request to one engine and take in its reply. Raises `Failure`."""
        engine, ready = place.engine, place.ready
        wire = engine.wire(ready.route)
        shape = engine.kind.shaping.fields(self._asked.constraint) if self._asked.constraint is not None else {}
        content = {**engine.fields, "model": engine.model, **ready.content, **shape}
        told = min(self._asked.alternatives, engine.kind.alternatives)
        if told and self._asked.params.num_beams == 1:
            content |= wire.probabilities(told)
        knobs = spelled(engine.kind.spelling, self._asked.params, engine.about.window)
        body = wire.body(content, knobs, self._most(place))
        self._reply.send()
        with self._pool.busy(place.member):
            try:
                async with place.member.client.stream(wire.path, body, wire.kind) as frames:
                    await self._take(frames, wire)
            except Lost as lost:
                # Once it is known how the reply ended, only the usage can be missing.
                if self._finish is None:
                    self._pool.lost(place.member)
                    lost.root = place.member.client.address.root
                    raise
        self._pool.answered(place.member)
        if not engine.exact:
            engine.estimate.learn(ready.size, self._reply.prompt_tokens - ready.marks)
        return self._finish or "stop"

    async def _take(self, frames: AsyncIterator[Json], wire: Wire) -> None:
        """Take in a reply to its end. Raises `Failure`."""
        while (frame := await self._next(frames)) is not None:
            chunk = wire.read(frame)
            if chunk.broken:
                raise Lost("cut")
            if self._reply.take(chunk):
                self._finish = "stop"
                return
            self._finish = chunk.finish or self._finish
        if self._finish is None:
            raise Lost("cut")

    async def _next(self, frames: AsyncIterator[Json]) -> Json | None:
        """Return the next object, None at the end. Raises `Lost` when it does not come in time."""
        limit = self._limits.between if self._reply.begun else self._limits.first
        try:
            async with asyncio.timeout(_PATIENCE if self._finish else limit):
                return await anext(frames, None)
        except TimeoutError:
            raise Lost("silent") from None

    def _most(self, place: Place) -> int:
        """Return the most tokens to ask for; 0 leaves it to the engine, as we do not know the room."""
        most = self._asked.params.max_tokens
        room = place.engine.about.window - len(place.ready.encoded.tokens)
        if place.engine.exact:
            return min(most or room, max(1, room))
        # OpenAI's /v1/completions writes sixteen tokens unless told otherwise.
        return most or (max(_LEAST_ROOM, room) if place.ready.route == "text" else 0)


def _repeatable(failure: Failure) -> bool:
    """Whether a request that failed so may be sent again: an engine that kept silent has had its time."""
    if isinstance(failure, Refused):
        return failure.passing
    return isinstance(failure, Lost) and failure.kind != "silent"
