"""Engines behind one name: which of them gets the next request, and when one that failed is tried again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from backends.errors import ModelUnavailable
from backends.remote.client import Client
from backends.remote.discovery import discover
from backends.remote.engines import Engine
from backends.remote.failures import Failure, Lost, Refused
from backends.remote.making import Wanted
from backends.remote.prompts import Ready
from backends.values import Peer, Prompt

_T = TypeVar("_T")

_FIRST_REST, _LONGEST_REST = 1.0, 60.0
"""Seconds after which a lost engine is tried again; they double with every failure."""
_REMEMBERED = 16


class Member:
    """One engine. What may change is changed by the pool."""

    def __init__(self, client: Client, wanted: Wanted) -> None:
        self.client = client
        self.engine: Engine | None = None
        self.running = 0
        self.failures = 0
        self.resting_until = 0.0
        self._wanted = wanted
        self._looking = threading.Lock()

    def look(self, again: bool = False) -> Engine:
        """Return what is known of the engine; it is looked at if it never was. Raises `Failure`, `ModelNotFound`."""
        with self._looking:
            if self.engine is None or again:
                self.engine = discover(self.client, self._wanted)
            return self.engine

    @property
    def load(self) -> float:
        """How busy we keep it."""
        return self.running / max(1, self.engine.slots if self.engine else 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A request that is ready for an engine."""

    member: Member
    engine: Engine
    ready: Ready


class Pool:
    """All engines of a backend. Every method may be called from any thread but the loop's, if it asks engines."""

    def __init__(self, members: Sequence[Member], clock: Callable[[], float] = time.monotonic) -> None:
        self.members = tuple(members)
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: OrderedDict[tuple[object, ...], Ready] = OrderedDict()

    def engines(self) -> tuple[Engine, ...]:
        """Return the engines that are known."""
        return tuple(member.engine for member in self.members if member.engine is not None)

    def peers(self) -> tuple[Peer, ...]:
        """Return how every engine is; asks nobody."""
        with self._lock:
            return tuple(
                Peer(
                    member.client.address.root,
                    member.engine.kind.name if member.engine is not None else "",
                    member.running,
                    member.engine is not None and not member.failures,
                )
                for member in self.members
            )

    def order(self) -> list[Member]:
        """Return the engines, the best one for the next request first: well, then least busy, then in order."""
        with self._lock:
            lost = {member: member.resting_until if member.failures else 0.0 for member in self.members}
            return sorted(self.members, key=lambda member: (lost[member], member.load))

    def place(self, prompt: Prompt, fit: Callable[[Engine], bool], without: Collection[Member] = ()) -> Place:
        """Return the best engine for a prompt, and the prompt made ready for it. Raises `Failure`, `TemplateFailed`.

        `fit` tells whether an engine can do what is asked; `without`: engines that were tried already.
        """
        return self._first(lambda member, engine: Place(member, engine, self._prepare(engine, prompt)), fit, without)

    def ask(self, question: Callable[[Engine], _T], fit: Callable[[Engine], bool]) -> _T:
        """Return an engine's answer. Raises `Failure`."""
        return self._first(lambda _, engine: question(engine), fit, ())

    def lost(self, member: Member) -> None:
        """Note that an engine could not be reached: it rests for a while, and may be another one afterwards."""
        with self._lock:
            rest = min(_FIRST_REST * 2**member.failures, _LONGEST_REST)
            member.failures = min(member.failures + 1, 16)
            member.resting_until = self._clock() + rest

    def due(self) -> list[Member]:
        """Return the lost engines that have rested, to be revived; one alone is tried by the next request itself."""
        now = self._clock()
        with self._lock:
            found = [member for member in self.members if member.failures and member.resting_until <= now]
            for member in found:
                member.resting_until = now + _LONGEST_REST
            return found if len(self.members) > 1 else []

    def revive(self, member: Member) -> None:
        """Look at a lost engine once more; it may be another one by now."""
        try:
            member.look(again=True)
        except (Failure, ModelUnavailable):
            self.lost(member)
        else:
            self.answered(member)

    @contextmanager
    def busy(self, member: Member) -> Iterator[None]:
        """Count a request as running."""
        with self._lock:
            member.running += 1
        try:
            yield
        finally:
            with self._lock:
                member.running -= 1

    def answered(self, member: Member) -> None:
        """Note that an engine is well."""
        with self._lock:
            member.failures, member.resting_until = 0, 0.0

    async def close(self) -> None:
        """Close all connections."""
        for member in self.members:
            await member.client.close()

    def _first(
        self, work: Callable[[Member, Engine], _T], fit: Callable[[Engine], bool], without: Collection[Member]
    ) -> _T:
        failure: Failure | None = None
        for member in self.order():
            if member in without:
                continue
            try:
                engine = member.look()
                if fit(engine):
                    return work(member, engine)
            except Lost as lost:
                self.lost(member)
                failure = failure or lost
            except Refused as refusal:
                if not refusal.passing:
                    raise
                failure = failure or refusal
        if failure is None:
            failure = Lost("absent")
            failure.root = ", ".join(member.client.address.root for member in self.members)
        raise failure

    def _prepare(self, engine: Engine, prompt: Prompt) -> Ready:
        """Return the prompt made ready; the last few are remembered, as the planner and the start ask alike."""
        info = engine.info
        key = (engine.kind.name, info.tokenizer, info.template, prompt)
        with self._lock:
            if key in self._recent:
                self._recent.move_to_end(key)
                return self._recent[key]
        ready = engine.prompts.prepare(prompt)
        with self._lock:
            self._recent[key] = ready
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return ready
