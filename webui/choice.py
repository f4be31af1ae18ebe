"""Which model is wanted and how it is opened: what the panel, the command line and the last run say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from backends.errors import InvalidRequest
from backends.registry import BackendOptions, may_take
from backends.remote.address import masked
from webui.accounts import OWNER_ID
from webui.history.store import History
from webui.settings import Settings

LAST_MODEL_SETTING = "model"
"""The key of the owner's setting that holds the model used last."""
KEPT_SETTING = "models"
"""The key of the owner's setting that holds how each model was opened, the one used last at the beginning."""
_MOST_KEPT = 100


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model reference, and the levers of its opening; each default means "decide for me" (see `BackendOptions`).

    `trust_remote_code` lets the program code run that comes with this one model.
    """

    reference: str
    backend: str = ""
    ctx: int = 0
    threads: int = 0
    gpu_layers: int = -1
    dtype: str = ""
    device: str = ""
    trust_remote_code: bool = False

    @classmethod
    def from_mapping(cls, reference: str, levers: Mapping[str, Any]) -> Self:
        """Return a choice from untrusted data. Raises `InvalidRequest` for a lever of another kind."""
        names = {field.name: type(field.default) for field in dataclasses.fields(cls) if field.name != "reference"}
        for name, value in levers.items():
            if type(value) is not names.get(name):
                raise InvalidRequest(reason=f"{name} is not what it should be")
        return cls(reference, **levers)

    @property
    def shown(self) -> str:
        """The reference without the credentials that a URL may hold."""
        return masked(self.reference)

    def levers(self) -> dict[str, Any]:
        """Return what differs from "decide for me"."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in found.items() if name != "reference" and value != _plain(name)}

    def over(self, other: ModelChoice) -> ModelChoice:
        """Return this choice, with the levers of another where this one leaves them open."""
        return replace(self, **{**other.levers(), **self.levers()})

    def under(self, settings: Settings) -> ModelChoice:
        """Return this choice, as kept from an earlier run, with open what the settings decide now."""
        decided = _from_settings(self.reference, settings).levers()
        open_again: dict[str, Any] = {name: _plain(name) for name in decided}
        return replace(self, **open_again)

    def options(self, settings: Settings) -> BackendOptions:
        """Return how the model is opened; what the choice leaves open is as the settings say."""
        whole = self.over(_from_settings(self.reference, settings))
        # A flag that was meant for another kind of model says nothing of this one.
        flagged = not self.backend and self.reference != settings.model
        return BackendOptions(
            backend="" if flagged and not may_take(whole.backend, self.reference) else whole.backend,
            ctx=whole.ctx,
            threads=whole.threads,
            gpu_layers=whole.gpu_layers,
            dtype=whole.dtype or "auto",
            device=whole.device or "auto",
            trust_remote_code=whole.trust_remote_code,
            parallel=settings.parallel,
            template=settings.template,
            park_mb=settings.park_mb,
            warm_mb=settings.keep_warm,
            warm=settings.warm_dir,
            shift=not settings.no_shift,
            draft=settings.draft,
            exact=settings.exact,
            models=settings.models_dir,
        )


def _from_settings(reference: str, settings: Settings) -> ModelChoice:
    return ModelChoice(
        reference, settings.backend, settings.ctx, settings.threads, settings.gpu_layers, settings.dtype,
        settings.device,
    )  # fmt: skip


def _plain(name: str) -> object:
    return next(field.default for field in dataclasses.fields(ModelChoice) if field.name == name)


class KeptChoices:
    """What the history knows of models that were used: the last one, and how each was opened."""

    def __init__(self, history: History) -> None:
        self._history = history

    @property
    def last(self) -> str:
        """The reference of the model that was ready last; "" if there was none."""
        return str(self._history.setting(OWNER_ID, LAST_MODEL_SETTING, ""))

    def all(self) -> tuple[ModelChoice, ...]:
        """Return the choices that were ready, the last one first."""
        found = []
        for reference, levers in self._history.setting(OWNER_ID, KEPT_SETTING, []):
            try:
                found.append(ModelChoice.from_mapping(reference, levers))
            except InvalidRequest:  # kept by another version
                found.append(ModelChoice(reference))
        return tuple(found)

    def of(self, reference: str) -> ModelChoice:
        """Return how a model was opened the last time."""
        return next((choice for choice in self.all() if choice.reference == reference), ModelChoice(reference))

    def keep(self, choice: ModelChoice) -> None:
        """Keep a choice that is ready; it is the last one now."""
        others = [each for each in self.all() if each.reference != choice.reference]
        self._write([choice, *others[: _MOST_KEPT - 1]])
        self._history.set_setting(OWNER_ID, LAST_MODEL_SETTING, choice.reference)

    def forget(self, reference: str) -> None:
        """Forget how a model was opened."""
        self._write([each for each in self.all() if each.reference != reference])

    def _write(self, choices: list[ModelChoice]) -> None:
        self._history.set_setting(OWNER_ID, KEPT_SETTING, [[each.reference, each.levers()] for each in choices])
