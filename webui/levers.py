"""What a person has set: the knobs, how a reply begins, its shape, what is told of it, the preset chosen last. Kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.constraints import Constraint
from backends.errors import InvalidParameter, SamovarError
from backends.sampling import SamplingParams
from backends.values import MAX_ALTERNATIVES
from webui.history.store import History

ALTERNATIVES = 5
"""How many alternatives of each token are told unless a person wants it otherwise."""
_SETTING = "levers"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Levers:
    """The knobs, "Start reply with", the name of the preset chosen last ("" for none), and the shape of replies.

    `alternatives` is how many of the tokens that were weighed are told of each token, as far as the engine can. Raises
    `InvalidParameter`.
    """

    sampling: SamplingParams = field(default_factory=SamplingParams)
    start_with: str = ""
    preset: str = ""
    shape: Constraint | None = None
    alternatives: int = ALTERNATIVES

    def __post_init__(self) -> None:
        """Check what no other value checks."""
        number = self.alternatives
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_ALTERNATIVES:
            raise InvalidParameter(name="alternatives", value=str(number)[:60], allowed=f"0 … {MAX_ALTERNATIVES}")


def read_levers(history: History, account: int, default: Levers) -> Levers:
    """Return an account's levers; `default` where there are none, or none that this version can read."""
    kept = history.setting(account, _SETTING, None)
    if not isinstance(kept, dict):
        return default
    try:
        sampling = SamplingParams.from_mapping(kept.get("sampling", {}))
        start, preset = str(kept.get("start_with", "")), str(kept.get("preset", ""))
        return Levers(sampling, start, preset, _shape(kept, account), kept.get("alternatives", ALTERNATIVES))
    except SamovarError as error:
        log.warning("the levers of account %s are set back: %s", account, error)
        return default


def save_levers(history: History, account: int, levers: Levers) -> None:
    """Keep an account's levers."""
    kept = {
        "sampling": levers.sampling.difference(),
        "start_with": levers.start_with,
        "preset": levers.preset,
        "alternatives": levers.alternatives,
    }
    shape = {"shape": levers.shape.mapping()} if levers.shape is not None else {}
    history.set_setting(account, _SETTING, {**kept, **shape})


def _shape(kept: Mapping[str, Any], account: int) -> Constraint | None:
    """Return the shape that was kept; none if this version cannot keep to it."""
    value = kept.get("shape")
    try:
        return Constraint.from_mapping(value) if isinstance(value, dict) else None
    except SamovarError as error:
        log.warning("the shape of replies of account %s is set back: %s", account, error)
        return None
