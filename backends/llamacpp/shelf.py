"""Parked sequences on disk, so that yesterday's chat goes on at once after a restart.

A file holds one line of JSON (see `_Header`), the tokens as 32-bit integers, and the state as the library wrote it.
What is broken, or was written by another version of the engine for the same model, is removed; what belongs to other
models stays, within the budget of the folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import time
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from backends.llamacpp.parking import Memory, Parked

_MAGIC = "samovar-warm-1"
_SUFFIX = ".warm"
_LONGEST_LINE = 1024
_TICK = 1_000_000
"""Nanoseconds that a file system tells apart."""


@dataclass(frozen=True, slots=True)
class _Header:
    """`model` is a fingerprint, `build` tells versions of the engine apart; `state` is in bytes, `check` a CRC-32."""

    magic: str
    model: str
    build: str
    tokens: int
    solid: int
    state: int
    check: int


class Stored(Memory):
    """A state in a file: read when it is asked for, by the system. It takes no memory that counts."""

    cost = 0

    def __init__(self, path: Path, start: int, size: int, check: int) -> None:
        self.path, self._start, self.size, self._check = path, start, size, check
        with path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), start + size, access=mmap.ACCESS_COPY)

    @property
    def pointer(self) -> ctypes.Array[ctypes.c_uint8]:
        """See `Memory.pointer`."""
        return (ctypes.c_uint8 * self.size).from_buffer(self.bytes, self._start)

    def is_whole(self) -> bool:
        """See `Memory.is_whole`."""
        return zlib.crc32(memoryview(self.bytes)[self._start :]) == self._check


class Shelf:
    """The folder of one model's sequences, of at most `budget` bytes together with those of others."""

    def __init__(self, folder: Path, model: str, build: str, budget: int) -> None:
        self._folder, self._model, self._build, self._budget = folder, model, build, budget

    def load(self) -> list[Parked]:
        """Return what is there for this model, the oldest first; the states themselves are read when they are used."""
        found = []
        for path in _files(self._folder):
            try:
                parked = self._open(path)
            except (OSError, ValueError, TypeError):
                _remove(path)
            else:
                found += [parked] if parked else []
        return found

    def _open(self, path: Path) -> Parked | None:
        """Return a file's sequence, None for another model's. Raises what a broken or stale file leads to."""
        with path.open("rb") as file:
            header = _Header(**json.loads(file.readline(_LONGEST_LINE)))
            if header.magic != _MAGIC or (header.model == self._model and header.build != self._build):
                raise ValueError("written by another version")
            if header.model != self._model:
                return None
            tokens = array("i")
            tokens.fromfile(file, header.tokens)
            start = file.tell()
        if path.stat().st_size != start + header.state:
            raise ValueError("cut short")
        return Parked(tokens.tolist(), header.solid, Stored(path, start, header.state, header.check))

    def save(self, parked: Iterable[Parked]) -> None:
        """Write sequences, the one used last first, as many as the budget allows; then older files give way.

        Files that cannot be written are left out: a chat is then only read again.
        """
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept: list[Path] = []
            room = self._budget
            for each in parked:
                room -= each.memory.size + 4 * len(each.tokens)
                if room < 0:
                    break
                kept.append(each.memory.path if isinstance(each.memory, Stored) else self._write(each))
            now = time.time_ns()
            for at, path in enumerate(kept):  # the times tell the order
                os.utime(path, ns=(now - at * _TICK, now - at * _TICK))
            self._prune(set(kept))

    def _write(self, parked: Parked) -> Path:
        tokens = array("i", parked.tokens)
        state = memoryview(parked.memory.bytes)[: parked.memory.size]
        header = _Header(_MAGIC, self._model, self._build, len(tokens), parked.solid, len(state), zlib.crc32(state))
        name = hashlib.sha256(f"{self._model} {self._build} ".encode() + tokens.tobytes()).hexdigest()[:32]
        path, partial = self._folder / f"{name}{_SUFFIX}", self._folder / f"{name}.part"
        try:
            partial.touch(0o600)
            with partial.open("wb") as file:
                file.write(json.dumps(asdict(header)).encode() + b"\n")
                file.write(tokens.tobytes())
                file.write(state)
            partial.replace(path)
        except OSError:
            _remove(partial)
            raise
        return path

    def _prune(self, kept: set[Path]) -> None:
        """Remove what this model no longer holds, and of other models' files the oldest beyond the budget."""
        room = self._budget - sum(path.stat().st_size for path in kept)
        for path in reversed(_files(self._folder)):
            if path in kept:
                continue
            with contextlib.suppress(OSError, ValueError, TypeError):
                size = path.stat().st_size
                if self._open(path) is None and size <= room:
                    room -= size
                    continue
            _remove(path)


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder, the oldest first."""
    with contextlib.suppress(OSError):
        return sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
    return []


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
