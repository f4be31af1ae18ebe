"""The model that is loaded, or on its way: one at a time, switched in the background while the pages stay open."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from backends.base import Backend
from backends.errors import EngineFailed, SamovarError
from backends.remote.address import masked
from webui.errors import NoModel

log = logging.getLogger(__name__)

Stage = Literal["none", "downloading", "loading", "ready", "failed"]


class Open(Protocol):
    """How a model reference becomes a backend.

    `progress` gets the stage and its share from 0 to 1, and returns False to give up.
    """

    def __call__(self, reference: str, progress: Callable[[Stage, float], bool]) -> Backend:
        """Open the model, blocking. Raises `ModelUnavailable`."""


@dataclass(frozen=True, slots=True)
class LoaderState:
    """What the loader is at. `progress` is 0 to 1 while downloading or loading."""

    stage: Stage = "none"
    reference: str = ""
    progress: float = 0.0
    error: SamovarError | None = None
    backend: Backend | None = None

    @property
    def shown(self) -> str:
        """The reference without the credentials that a URL may hold."""
        return masked(self.reference)


class Loader:
    """Owns the backend. `changed` is called from the loading thread at every change of state worth showing."""

    def __init__(self, opener: Open, changed: Callable[[LoaderState], None] = lambda _: None) -> None:
        self._open, self._changed = opener, changed
        self._state = LoaderState()
        self._condition = threading.Condition()
        self._turn = 0
        self._busy = threading.Lock()

    @property
    def state(self) -> LoaderState:
        """The state now."""
        return self._state

    @property
    def backend(self) -> Backend | None:
        """The loaded model, or None while there is none."""
        return self._state.backend

    def switch(self, reference: str) -> None:
        """Load another model in the background; the one before is closed first, so that both need not fit."""
        with self._condition:
            self._turn += 1
            turn = self._turn
        self._set(turn, LoaderState("loading", reference))
        threading.Thread(target=self._load, args=(turn, reference), name="loader", daemon=True).start()

    def wait(self, stopping: threading.Event) -> Backend:
        """Return the loaded model, waiting for it while it loads.

        Raises `NoModel` when there is none or `stopping` is set, and the error with which loading failed.
        """
        with self._condition:
            while self._state.stage in ("downloading", "loading") and not stopping.is_set():
                self._condition.wait(0.1)
            state = self._state
        if state.error is not None:
            raise state.error
        if state.backend is None:
            raise NoModel
        return state.backend

    def close(self) -> None:
        """Unload; a load under way is given up."""
        with self._condition:
            self._turn += 1
            backend = self._state.backend
            self._state = LoaderState()
            self._condition.notify_all()
        if backend is not None:
            backend.close()

    def _load(self, turn: int, reference: str) -> None:
        with self._busy:
            if not self._current(turn):
                return
            try:
                backend = self._open(reference, lambda stage, share: self._progress(turn, stage, share))
            except SamovarError as error:
                self._set(turn, LoaderState("failed", reference, error=error))
                return
            except Exception as error:
                log.exception("the model %s could not be loaded", masked(reference))
                failure = EngineFailed(reason=str(error) or type(error).__name__)
                self._set(turn, LoaderState("failed", reference, error=failure))
                return
            if not self._set(turn, LoaderState("ready", reference, 1.0, backend=backend)):
                backend.close()

    def _progress(self, turn: int, stage: Stage, share: float) -> bool:
        state = self._state
        if stage != state.stage or share - state.progress >= 0.01 or share >= 1:
            return self._set(turn, replace(state, stage=stage, progress=share))
        return self._current(turn)

    def _current(self, turn: int) -> bool:
        return turn == self._turn

    def _set(self, turn: int, state: LoaderState) -> bool:
        with self._condition:
            if turn != self._turn:
                return False
            before, self._state = self._state.backend, state
            self._condition.notify_all()
        if before is not None and before is not state.backend:
            before.close()
        self._changed(state)
        return True
