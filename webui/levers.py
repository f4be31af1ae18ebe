"""What a person has set: the knobs, the words that a reply begins with, and the preset these came from. Kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from backends.errors import SamovarError
from backends.sampling import SamplingParams
from webui.history.store import History

_SETTING = "levers"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Levers:
    """The knobs, "Start reply with", and the name of the preset chosen last ("" for none)."""

    sampling: SamplingParams = field(default_factory=SamplingParams)
    start_with: str = ""
    preset: str = ""


def read_levers(history: History, account: int, default: Levers) -> Levers:
    """Return an account's levers; `default` where there are none, or none that this version can read."""
    kept = history.setting(account, _SETTING, None)
    if not isinstance(kept, dict):
        return default
    try:
        sampling = SamplingParams.from_mapping(kept.get("sampling", {}))
    except SamovarError as error:
        log.warning("the levers of account %s are set back: %s", account, error)
        return default
    return Levers(sampling, str(kept.get("start_with", "")), str(kept.get("preset", "")))


def save_levers(history: History, account: int, levers: Levers) -> None:
    """Keep an account's levers."""
    kept = {"sampling": levers.sampling.difference(), "start_with": levers.start_with, "preset": levers.preset}
    history.set_setting(account, _SETTING, kept)
