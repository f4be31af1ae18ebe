"""The model that is loaded, or on its way: one at a time, switched in the background while the pages stay open.

A model that is wanted is looked for, and fetched, while the one before still answers. That one is closed only when
the memory is needed, and loaded again when the other cannot be.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from backends.base import Backend
from backends.errors import EngineFailed, SamovarError
from backends.memory import give_back
from webui.choice import ModelChoice
from webui.errors import NoModel

log = logging.getLogger(__name__)

Stage = Literal["none", "resolving", "downloading", "loading", "ready", "failed"]
UNDER_WAY = ("resolving", "downloading", "loading")
"""The stages at which a model is on its way."""
_NOTHING = ModelChoice("")


class Open(Protocol):
    """How a choice becomes a backend.

    `progress` gets the stage and its share from 0 to 1, and returns False to give up.
    """

    def __call__(self, choice: ModelChoice, progress: Callable[[Stage, float], bool]) -> Backend:
        """Open the model, blocking; no memory is taken before `progress` was told of "loading".

        Raises `SamovarError`.
        """


@dataclass(frozen=True, slots=True)
class LoaderState:
    """What the loader is at. `progress` is 0 to 1 while downloading or loading.

    `choice` is what is loaded or on its way. `backend` answers now: while `choice` is looked for or fetched, it is the
    one before, which `loaded` names. `failed` could not be opened because of `error`.
    """

    stage: Stage = "none"
    choice: ModelChoice = _NOTHING
    progress: float = 0.0
    backend: Backend | None = None
    loaded: ModelChoice | None = None
    error: SamovarError | None = None
    failed: ModelChoice | None = None

    @property
    def under_way(self) -> bool:
        """Whether a model is on its way."""
        return self.stage in UNDER_WAY

    @property
    def waiting(self) -> bool:
        """Whether nothing answers now, but a model is on its way."""
        return self.under_way and self.backend is None


class Loader:
    """Owns the backend.

    `changed` is called at every change of state worth showing, and before it `ready` with a choice that is loaded.
    """

    def __init__(
        self,
        opener: Open,
        changed: Callable[[LoaderState], None] = lambda _: None,
        ready: Callable[[ModelChoice], None] = lambda _: None,
    ) -> None:
        self._open, self._changed, self._ready = opener, changed, ready
        self._state = LoaderState()
        self._condition = threading.Condition()
        self._turn = 0
        self._busy = threading.Lock()
        self._before: ModelChoice | None = None

    @property
    def state(self) -> LoaderState:
        """The state now."""
        return self._state

    @property
    def backend(self) -> Backend | None:
        """The model that answers, or None while there is none."""
        return self._state.backend

    def switch(self, choice: ModelChoice) -> None:
        """Load another model in the background; what was loaded is closed first, so that both need not fit.

        If it cannot be loaded, the one before is there again.
        """
        turn = self._next()
        self._set(turn, replace(self._state, stage="resolving", choice=choice, progress=0.0, error=None, failed=None))
        threading.Thread(target=self._load, args=(turn, choice), name="loader", daemon=True).start()

    def cancel(self) -> None:
        """Give up a load that is under way; the model before stays, or is loaded again."""
        turn, state = self._next(), self._state
        if not state.under_way:
            return
        if state.backend is not None and state.loaded is not None:
            self._set(turn, LoaderState("ready", state.loaded, 1.0, state.backend, state.loaded))
        elif self._before is not None and self._before != state.choice:
            self.switch(self._before)
        else:
            self._set(turn, LoaderState())

    def unload(self) -> None:
        """Close the model and give its memory back; a load under way is given up."""
        self._set(self._next(), LoaderState())

    def wait(self, stopping: threading.Event) -> Backend:
        """Return the loaded model, waiting for it while it loads.

        Raises `NoModel` when there is none or `stopping` is set, and the error with which loading failed.
        """
        with self._condition:
            while self._state.waiting and not stopping.is_set():
                self._condition.wait(0.1)
            state = self._state
        if state.backend is not None:
            return state.backend
        if state.error is not None and not state.under_way:
            raise state.error
        raise NoModel

    def close(self) -> None:
        """Unload, for good and without a word."""
        self._changed, self._ready = lambda _: None, lambda _: None
        self.unload()

    def _load(self, turn: int, choice: ModelChoice) -> None:
        with self._busy:
            error = self._attempt(turn, choice)
            if error is None or not self._current(turn):
                return
            state, before = self._state, self._before
            if state.backend is not None and state.loaded is not None:
                kept = LoaderState("ready", state.loaded, 1.0, state.backend, state.loaded, error, choice)
                self._set(turn, kept)
            elif before is None or before == choice:
                self._set(turn, LoaderState("failed", choice, error=error, failed=choice))
            else:
                self._set(turn, LoaderState("loading", before, error=error, failed=choice))
                if (second := self._attempt(turn, before)) is not None:
                    self._set(turn, LoaderState("failed", before, error=second, failed=before))

    def _attempt(self, turn: int, choice: ModelChoice) -> SamovarError | None:
        """Open a model; returns why it did not open."""
        if not self._current(turn):
            return None
        try:
            backend = self._open(choice, lambda stage, share: self._progress(turn, stage, share))
        except SamovarError as error:
            return error
        except Exception as error:
            log.exception("the model %s could not be loaded", choice.shown)
            return EngineFailed(reason=str(error) or type(error).__name__)
        state = self._state
        if not self._set(turn, LoaderState("ready", choice, 1.0, backend, choice, state.error, state.failed)):
            backend.close()
        return None

    def _progress(self, turn: int, stage: Stage, share: float) -> bool:
        state = self._state
        if stage == "loading" and state.backend is not None:
            return self._set(turn, replace(state, stage=stage, progress=share, backend=None, loaded=None))
        if stage != state.stage or share - state.progress >= 0.01 or share >= 1:
            return self._set(turn, replace(state, stage=stage, progress=share))
        return self._current(turn)

    def _next(self) -> int:
        with self._condition:
            self._turn += 1
            return self._turn

    def _current(self, turn: int) -> bool:
        return turn == self._turn

    def _set(self, turn: int, state: LoaderState) -> bool:
        with self._condition:
            if turn != self._turn:
                return False
            before, self._state = self._state.backend, state
            self._condition.notify_all()
        fresh = state.backend is not None and state.backend is not before
        if before is not None and before is not state.backend:
            before.close()
            del before
            give_back()
        if fresh and state.loaded is not None:
            self._before = state.loaded
            self._ready(state.loaded)
        self._changed(state)
        return True
