"""From a model reference to a running backend; every engine is imported only when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from backends.base import Backend
from backends.errors import EngineFailed, InvalidParameter, ModelNotFound, ModelUnsupported, SamovarError
from backends.models.inspection import Found, inspect
from backends.remote.address import addresses, masked

Stage = Literal["resolving", "downloading", "loading"]
"""What an opening is at: seeing whether there is such a model, fetching it, reading it into memory."""
GROUP = "samovar.backends"
"""The entry-point group by which an installed package adds engines: name -> a `Factory`."""

REMOTE = "remote"
"""The name of the backend for engines that speak HTTP."""

_BUILT_IN: Mapping[str, str] = {
    "llamacpp": "backends.llamacpp.opening:open_reference",
    REMOTE: "backends.remote.opening:open_reference",
    "scripted": "backends.scripted:open_reference",
    "transformers": "backends.transformers.opening:open_reference",
}
_NEEDS: Mapping[str, tuple[str, ...]] = {"llamacpp": ("llama_cpp",), "transformers": ("torch", "transformers")}
"""The packages without which an engine does not run."""
_URL = re.compile(r"https?://", re.IGNORECASE)
_SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """How a model is opened; an engine takes of it what it knows.

    `backend`: the engine's name, "" = chosen by the reference. `ctx`, `threads`, `gpu_layers`, `parallel`, `template`,
    `park_mb`, `warm_mb`, `warm`, `shift`, `draft`, `exact`: see `backends.llamacpp.options`; `dtype`, `device`,
    `trust_remote_code`: see `backends.transformers.options`.
    `models`: the folder of downloads. `progress` gets the stage and its share from 0 to 1, from the opening thread;
    answering False gives the opening up. Memory is taken only after it was told of "loading".
    """

    backend: str = ""
    ctx: int = 0
    threads: int = 0
    gpu_layers: int = -1
    parallel: int = 4
    template: str = ""
    park_mb: int = 512
    warm_mb: int = 0
    warm: Path = Path("warm")
    shift: bool = True
    draft: int = 0
    exact: bool = False
    dtype: str = "auto"
    device: str = "auto"
    trust_remote_code: bool = False
    models: Path = Path("models")
    progress: Callable[[Stage, float], bool] = lambda _stage, _share: True


Factory = Callable[[str, BackendOptions], Backend]


def open_backend(reference: str, options: BackendOptions | None = None) -> Backend:
    """Open the model that `reference` names, blocking.

    A reference is a GGUF file or a folder that holds one; a folder of safetensors; a hub id, `user/repo` or
    `user/repo:Q4_K_M`; the URL of an engine, or several apart by commas; or `scripted:`, the demo without a model.
    Raises `ModelUnavailable` of the fitting kind, `InvalidParameter` for an option out of range, an engine that does
    not exist or a choice that must be made, and `EngineClosed` when the progress callback gives up.
    """
    options = options or BackendOptions()
    if not reference.strip():
        raise ModelNotFound(model=reference)
    name = options.backend or _engine_for(reference, options.models)
    if _missing(_NEEDS.get(name, ())):
        reason = f"the engine {name} is not installed; the model panel has the command"
        raise ModelUnsupported(model=masked(reference), reason=reason)
    factory = _factory(name)
    if factory is None:
        raise InvalidParameter(name="backend", value=name, allowed=", ".join(names()))
    return factory(reference, options)


@dataclass(frozen=True, slots=True)
class Offer:
    """An engine for a model. `reason` says why it cannot take it: "address", "format", "missing"; "" if it can.

    `needs` names the packages that are missing.
    """

    engine: str
    reason: str = ""
    needs: tuple[str, ...] = ()


def look(reference: str, models: Path) -> Found:
    """Return what a reference names, as far as this computer knows; nothing is fetched.

    Raises `ModelUnavailable` of the fitting kind, and `InvalidParameter` where there are several to choose from.
    """
    if _URL.match(reference):
        addresses(reference)
        return Found()
    if reference.startswith(_SCRIPTED):
        return Found()
    return inspect(reference, models)


def offers(reference: str, found: Found) -> tuple[Offer, ...]:
    """Return every engine, those first that can take what `look` found, the one that is taken unasked at the start."""
    made = [_offer(name, reference, found) for name in names() if name != "scripted" or may_take(name, reference)]
    unasked = _unasked(reference, found)
    return tuple(sorted(made, key=lambda offer: (bool(offer.reason), offer.engine != unasked)))


def _offer(engine: str, reference: str, found: Found) -> Offer:
    if not may_take(engine, reference):
        return Offer(engine, "address")
    if engine == "llamacpp" and not found.gguf and found.weights and not found.hub:
        return Offer(engine, "format")
    needed = _NEEDS.get(engine, ())
    if engine == "transformers" and found.gguf and not found.weights:
        needed = (*needed, "gguf")
    missing = _missing(needed)
    return Offer(engine, "missing" if missing else "", missing)


def may_take(engine: str, reference: str) -> bool:
    """Whether an engine may run what a reference names, by its form alone: an address, the demo, or a model."""
    if _URL.match(reference) or engine == REMOTE:
        return bool(_URL.match(reference)) and engine == REMOTE
    if reference.startswith(_SCRIPTED) or engine == "scripted":
        return reference.startswith(_SCRIPTED) and engine == "scripted"
    return True


def names() -> tuple[str, ...]:
    """Return the names of all engines that there are."""
    return tuple(sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))}))


def _unasked(reference: str, found: Found) -> str:
    """Return the engine that is taken where none is asked for."""
    if _URL.match(reference):
        return REMOTE
    if reference.startswith(_SCRIPTED):
        return "scripted"
    # Of a model on the hub the GGUF file is taken, unless only the other kind was fetched.
    return "transformers" if found.weights and not (found.hub and found.gguf) else "llamacpp"


def _engine_for(reference: str, models: Path) -> str:
    try:
        found = look(reference, models)
    except SamovarError:
        return _unasked(reference, Found())  # the engine tells more of what is the matter
    # The first one that is installed; where none is, the one that would be.
    return offers(reference, found)[0].engine


def _missing(needed: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in needed if importlib.util.find_spec(name) is None)


def _factory(name: str) -> Factory | None:
    """Return what opens models with an engine; None where there is no such engine. Raises `EngineFailed`."""
    try:
        if name in _BUILT_IN:
            module, _, attribute = _BUILT_IN[name].partition(":")
            made: Factory = getattr(importlib.import_module(module), attribute)
            return made
        points = entry_points(group=GROUP, name=name)
        return next(iter(points)).load() if points else None
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        # A library that does not load here says so with any of these.
        raise EngineFailed(reason=f"{name} could not be loaded: {error}") from error
