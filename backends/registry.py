"""From a model reference to a running backend; every engine is imported only when it is asked for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from backends.base import Backend
from backends.errors import EngineFailed, InvalidParameter, ModelNotFound

Stage = Literal["downloading", "loading"]
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
_URL = re.compile(r"https?://", re.IGNORECASE)
_SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """How a model is opened; an engine takes of it what it knows.

    `backend`: the engine's name, "" = chosen by the reference. `ctx`, `threads`, `gpu_layers`, `parallel`, `template`:
    see `backends.llamacpp.options`; `dtype`: see `backends.transformers.devices`. `models`: the folder of downloads.
    `progress` gets the stage and its share from 0 to 1, from the opening thread; answering False gives the opening up.
    """

    backend: str = ""
    ctx: int = 0
    threads: int = 0
    gpu_layers: int = -1
    parallel: int = 4
    template: str = ""
    dtype: str = "auto"
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
    name = options.backend or _engine_for(reference)
    factory = _factory(name)
    if factory is None:
        raise InvalidParameter(name="backend", value=name, allowed=", ".join(names()))
    return factory(reference, options)


def names() -> tuple[str, ...]:
    """Return the names of all engines that there are."""
    return tuple(sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))}))


def _engine_for(reference: str) -> str:
    if _URL.match(reference):
        return REMOTE
    if reference.startswith(_SCRIPTED):
        return "scripted"
    return "transformers" if _holds_safetensors(reference) else "llamacpp"


def _holds_safetensors(reference: str) -> bool:
    """Whether a reference is a folder with the settings and weights that only transformers reads."""
    try:
        folder = Path(reference).expanduser()
        return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    except (OSError, ValueError, RuntimeError):
        return False


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
