"""The model panel's values as the page wants them: the models that are known, and one looked at."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any

import psutil

from backends.models.library import LocalModel
from backends.registry import Offer
from webui.shelf import Card, Shelf, Weighing
from webui.ui import i18n

INSTALL: Mapping[str, tuple[str, ...]] = {
    "transformers": ("torch>=2.5", "transformers>=5", "accelerate>=1", "gguf>=0.17"),
    "llamacpp": ("llama-cpp-python",),
}
"""What is installed for an engine that is missing; as in the project's extras."""


def models(shelf: Shelf) -> dict[str, Any]:
    """Return the models on this computer and the engines that were used; sizes in bytes."""
    loaded = shelf.loaded()
    rows = [{**_model(model), "loaded": model.path.resolve() == loaded} for model in shelf.models()]
    return {
        "kind": "models",
        "list": rows,
        "engines": [choice.shown for choice in shelf.engines()],
        "peers": [
            {"address": peer.address, "engine": peer.engine, "running": peer.running, "well": peer.well}
            for peer in shelf.peers()
        ],
    }


def card(looked: Card, language: str) -> dict[str, Any]:
    """Return a reference that was looked at, with the ways to open it."""
    return {
        "kind": "card",
        "reference": looked.reference,
        "error": i18n.error(looked.error.code, looked.error.details, language) if looked.error is not None else "",
        "hub": looked.found.hub,
        "here": looked.found.here,
        "model": _model(looked.model) if looked.model is not None else None,
        "engines": [_engine(offer) for offer in looked.offers],
        "kept": looked.kept.levers(),
        "devices": [{"kind": each.kind, "name": each.name, "free": each.free} for each in looked.devices],
        "dtypes": [_weighing(each) for each in looked.weighings],
        "unasked": looked.unasked,
        "takes": _weighing(looked.weighing) if looked.weighing is not None else None,
        "window": looked.window,
        "cores": psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        "own_code": looked.found.weights.own_code if looked.found.weights is not None else bool(looked.found.hub),
    }


def _model(model: LocalModel) -> dict[str, Any]:
    return {
        "reference": str(model.path),
        "name": model.name,
        "size": model.size,
        "quantization": model.quantization,
        "parameters": model.parameters,
        "window": model.window,
        "format": model.format,
        "broken": bool(model.error),
    }


def _engine(offer: Offer) -> dict[str, Any]:
    packages = INSTALL.get(offer.engine, offer.needs)
    command = shlex.join([sys.executable, "-m", "pip", "install", *packages]) if offer.needs else ""
    return {"name": offer.engine, "reason": offer.reason, "install": command}


def _weighing(value: Weighing) -> dict[str, Any]:
    return {"dtype": value.dtype, "size": value.size, "fits": list(value.fits), "possible": value.possible}
