"""A brake on guessing passwords: after a few failures every further one costs a longer wait."""

from __future__ import annotations

import ipaddress
import math
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from webui.errors import TooManyAttempts

_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Brake:
    """`free` failures cost nothing; then the wait doubles from a second up to `longest`. Times in seconds."""

    free: int
    longest: float

    def wait(self, failures: int) -> float:
        """Return how long to wait after so many failures."""
        return 0.0 if failures < self.free else min(self.longest, 2.0 ** min(failures - self.free, 30))


BY_NAME = Brake(free=5, longest=60)
"""Short at its longest: whoever guesses at a name must not lock its owner out for long."""
BY_ADDRESS = Brake(free=10, longest=900)
"""A whole family can share one address, so it has more free attempts, and then the longer wait."""
_FORGOTTEN = 3600.0


@dataclass(slots=True)
class _Record:
    failures: int
    last: float


class Attempts:
    """Counts failures by name and by address, in memory; an hour without one clears the count."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` counts seconds and never goes back."""
        self._clock, self._lock = clock, threading.Lock()
        self._records: dict[Hashable, _Record] = {}

    def begin(self, name: str, address: str) -> None:
        """Count an attempt, as a failure until `succeeded` says otherwise. Raises `TooManyAttempts`.

        Counting first means that a hundred attempts at the same moment are not all let through.
        """
        keys = _keys(name, address)
        with self._lock:
            now = self._clock()
            wait = max(self._wait(key, brake, now) for key, brake in keys.items())
            if wait > 0:
                raise TooManyAttempts(seconds=math.ceil(wait))
            for key in keys:
                record = self._records.pop(key, None) or _Record(0, now)
                self._records[key] = _Record(record.failures + 1, now)
            self._forget(now)

    def succeeded(self, name: str, address: str) -> None:
        """Clear the name's count; from the address only this attempt is taken back.

        Otherwise a guest could guess at the owner's password and sign in as themselves between the guesses.
        """
        by_name, by_address = _keys(name, address)
        with self._lock:
            self._records.pop(by_name, None)
            if record := self._records.get(by_address):
                record.failures -= 1

    def _wait(self, key: Hashable, brake: Brake, now: float) -> float:
        record = self._records.get(key)
        if record is None or now - record.last > _FORGOTTEN:
            self._records.pop(key, None)
            return 0.0
        return record.last + brake.wait(record.failures) - now

    def _forget(self, now: float) -> None:
        """The records stand in the order of their last failure: drop the outdated, and the oldest of too many."""
        for key in list(self._records):
            if len(self._records) <= _KEYS and now - self._records[key].last <= _FORGOTTEN:
                break
            del self._records[key]


def _keys(name: str, address: str) -> dict[Hashable, Brake]:
    return {("name", name): BY_NAME, ("address", _network(address)): BY_ADDRESS}


def _network(address: str) -> str:
    """An IPv6 visitor owns 2^64 addresses: count them as one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)
