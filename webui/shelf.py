"""What the model panel shows: the models on this computer, the engines that were used, and one model looked at.

A reference may hold a password; the page gets it masked, and what it sends back is matched with what is known.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from backends.errors import SamovarError
from backends.models.fit import BITS, Device, cache_bytes, devices, fits, weights_bytes
from backends.models.inspection import Found
from backends.models.library import Library, LocalModel, headers_of
from backends.registry import Offer, look, may_take, offers
from backends.values import Peer
from webui.choice import KeptChoices, ModelChoice
from webui.loader import Loader
from webui.settings import Settings

_DEFAULT_WINDOW = 8192
_NOTHING, _UNKNOWN = ModelChoice(""), Found()


@dataclass(frozen=True, slots=True)
class Weighing:
    """What a model takes in a dtype ("" = as the file has it): bytes (0 = unknown), and which kinds of devices hold it.

    `possible` is False where this machine cannot hold weights so.
    """

    dtype: str
    size: int
    fits: tuple[str, ...]
    possible: bool = True


@dataclass(frozen=True, slots=True)
class Card:
    """A reference that was looked at. With an `error` nothing else is known.

    `weighings` are those of transformers, `unasked` is the dtype that it takes where none is chosen; `weighing` is that
    of llama.cpp with a window of `window` tokens (0 = not known yet).
    """

    reference: str
    found: Found = _UNKNOWN
    offers: tuple[Offer, ...] = ()
    kept: ModelChoice = _NOTHING
    devices: tuple[Device, ...] = ()
    weighings: tuple[Weighing, ...] = ()
    unasked: str = ""
    weighing: Weighing | None = None
    window: int = 0
    error: SamovarError | None = None

    @property
    def model(self) -> LocalModel | None:
        """What of it is on this computer."""
        return self.found.weights or self.found.gguf


class Shelf:
    """Looks for models. Every method reads files, and may take a while."""

    def __init__(self, settings: Settings, kept: KeptChoices, loader: Loader) -> None:
        self._settings, self._kept, self._loader = settings, kept, loader

    def models(self) -> tuple[LocalModel, ...]:
        """Return the models in the folder of downloads, and those elsewhere on this computer that were used."""
        found = {model.path.resolve(): model for model in Library(self._settings.models_dir).models()}
        for choice in self._kept.all():
            model = None if may_take("remote", choice.reference) else self._model(choice.reference)
            if model is not None:
                found.setdefault(model.path.resolve(), model)
        return tuple(found.values())

    def engines(self) -> tuple[ModelChoice, ...]:
        """Return the engines on the network that were used, the last one first."""
        return tuple(choice for choice in self._kept.all() if may_take("remote", choice.reference))

    def peers(self) -> tuple[Peer, ...]:
        """Return the engines elsewhere behind the model that is loaded."""
        backend = self._loader.backend
        return backend.info.peers if backend is not None else ()

    def loaded(self) -> Path | None:
        """Return the file or folder of the model that is loaded."""
        loaded = self._loader.state.loaded
        model = self._model(loaded.reference) if loaded is not None else None
        return model.path.resolve() if model is not None else None

    def resolve(self, shown: str) -> str:
        """Return the reference that was shown so, with the credentials that were masked."""
        return next((choice.reference for choice in self._kept.all() if choice.shown == shown), shown)

    def look(self, shown: str) -> Card:
        """Look at what a reference names."""
        reference = self.resolve(shown.strip())
        try:
            found = look(reference, self._settings.models_dir)
        except SamovarError as error:
            return Card(shown, error=error)
        there = self._devices()
        model = found.weights or found.gguf
        window = _window(model, self._settings.ctx)
        parameters = model.parameters if model is not None else 0
        return Card(
            shown,
            found,
            offers(reference, found),
            self._kept.of(reference),
            there,
            tuple(_weighing(parameters, dtype, there) for dtype in BITS),
            _unasked(parameters, there) if parameters else "",
            _mapped(found, window, there),
            window,
        )

    def _model(self, reference: str) -> LocalModel | None:
        try:
            found = look(reference, self._settings.models_dir)
        except SamovarError:
            return None
        return found.weights or found.gguf

    def _devices(self) -> tuple[Device, ...]:
        """Return what is free once the model that is loaded is gone; of llama.cpp's a file is only mapped."""
        backend = self._loader.backend
        back = backend.info.size_bytes if backend is not None and backend.info.engine == "transformers" else 0
        return tuple(Device(each.kind, each.name, each.free + back) for each in devices())


def _window(model: LocalModel | None, flag: int) -> int:
    """Return the window that is taken unasked."""
    return flag or (min(model.window or _DEFAULT_WINDOW, _DEFAULT_WINDOW) if model is not None else 0)


def _mapped(found: Found, window: int, there: tuple[Device, ...]) -> Weighing | None:
    """Return what llama.cpp takes for a file and its KV cache."""
    if found.gguf is None or found.gguf.error is not None:
        return None
    size = found.gguf.size + cache_bytes(headers_of(found.gguf.path)[0], window)
    return _held("", size, there)


def _weighing(parameters: int, dtype: str, there: tuple[Device, ...]) -> Weighing:
    possible = not dtype.startswith("int") or (there[0].kind == "cuda" and _is_installed("bitsandbytes"))
    return _held(dtype, weights_bytes(parameters, dtype), there, possible)


def _held(dtype: str, size: int, there: tuple[Device, ...], possible: bool = True) -> Weighing:
    return Weighing(dtype, size, tuple(device.kind for device in there if fits(size, device.free)), possible)


def _unasked(parameters: int, there: tuple[Device, ...]) -> str:
    """Return what transformers takes by itself (see `backends.transformers.devices`)."""
    if there[0].kind == "cpu" and fits(weights_bytes(parameters, "float32"), there[0].free):
        return "float32"
    return "bfloat16"


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
