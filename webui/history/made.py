"""What made a reply, as the JSON object that is kept with it."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from typing import Any

from backends.values import Branch, Timings, Usage
from webui.dialogue import Made
from webui.history.text import storable

_DECODER = json.JSONDecoder()

log = logging.getLogger(__name__)


def write_made(made: Made | None) -> str | None:
    """Return the JSON of `made`."""
    if made is None:
        return None
    values = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    for name in ("beams", "shape"):
        if not values[name]:
            del values[name]
    return storable(json.dumps(values, ensure_ascii=False, default=_plain))


def read_made(text: str) -> Made | None:
    """Return what `write_made` kept; None for what cannot be read, so that one bad row does not hide a dialogue."""
    try:
        values: dict[str, Any] = _DECODER.decode(text)
        usage, timings = values.pop("usage", None), values.pop("timings", None)
        beams = tuple(Branch(*each) for each in values.pop("beams", ()))
        return Made(
            **values,
            usage=Usage(**usage) if usage else None,
            timings=Timings(**timings) if timings else None,
            beams=beams,
        )
    except (TypeError, ValueError, AttributeError):
        log.warning("what made a reply cannot be read: %.200r", text)
        return None


def _plain(value: object) -> object:
    if isinstance(value, Usage | Timings):
        return dataclasses.asdict(value)
    if isinstance(value, Branch):
        return [value.parent, value.text, value.rating]
    return dict(value) if isinstance(value, Mapping) else str(value)
