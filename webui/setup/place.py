"""The virtual environment, and what is noted in it: how far the set-up came, its log, its lock."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from webui.setup.words import say


@dataclass(frozen=True, slots=True)
class State:
    """What is set up. `busy`: the packages were being installed when it was written, and may be torn."""

    packages: str = ""
    """The fingerprint of the files that ask for the packages (see `webui.setup.steps`)."""
    extras: tuple[str, ...] = ()
    engine: str = ""
    """The engine that is known to run (see `webui.setup.steps.engine`)."""
    base: str = ""
    """The interpreter behind the environment: a system upgrade swaps it, and the packages are no longer found."""
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where Samovar's code lies (`root`) and where its virtual environment is."""

    root: Path
    venv: Path

    @property
    def python(self) -> Path:
        """The environment's own interpreter."""
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def log(self) -> Path:
        """The file with everything that the steps printed."""
        return self.venv / "setup.log"

    @property
    def lock(self) -> Path:
        """The file that a running set-up holds locked."""
        return self.venv / "setup.lock"

    @property
    def state_file(self) -> Path:
        """The file with the `State`."""
        return self.venv / "setup.json"

    def read(self) -> State:
        """Return what is set up; nothing where the note is missing, torn, or of an interpreter that is gone."""
        try:
            noted = json.loads(self.state_file.read_text(encoding="utf-8"))
            state = State(**{**noted, "extras": tuple(noted["extras"])})
        except (OSError, ValueError, TypeError, KeyError):
            return State()
        return state if state.base == os.path.realpath(self.python) and self.python.exists() else State()

    def note(self, state: State) -> State:
        """Write down what is set up, in one stroke."""
        state = dataclasses.replace(state, base=os.path.realpath(self.python))
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text(json.dumps(dataclasses.asdict(state)), encoding="utf-8")
        fresh.replace(self.state_file)
        return state

    def clear(self) -> None:
        """Empty the environment, but for the log and the lock, which are in use."""
        for entry in self.venv.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry not in (self.log, self.lock):
                entry.unlink()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let one set-up at a time work here.

        The lock goes when its last holder does, however that ends. The programs that a set-up starts inherit it:
        a pip whose launcher was killed still writes for a while.
        """
        self.venv.mkdir(parents=True, exist_ok=True)
        with self.lock.open("a") as file:
            os.set_inheritable(file.fileno(), True)
            if not _take(file):
                print(say("waiting"), flush=True)
                while not _take(file):
                    time.sleep(0.5)
            yield


def _take(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
