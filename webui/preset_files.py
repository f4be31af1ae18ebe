"""The files of the presets: what they may be called, read with suspicion, written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from backends.errors import InvalidRequest, SamovarError
from backends.sampling import NEUTRAL, SamplingParams
from webui.errors import BadName, StorageFull

LONGEST_NAME = 60
LARGEST_FILE = 64 * 1024
"""In bytes; a preset has a few hundred."""

_KEYS = frozenset({"name", "title", "description", "order", "sampling"})
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Emoji of several parts are joined by the first; flags of regions are spelt with the others.
_JOINERS = frozenset({"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))})
_LAST = 1_000_000


@dataclass(frozen=True, slots=True)
class PresetFile:
    """What a file holds; `problem` says why the rest is empty."""

    name: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    order: int = _LAST
    sampling: SamplingParams = NEUTRAL
    problem: str = ""


class _Loader(yaml.SafeLoader):
    """Plain values only. Without aliases, which let a small file stand for a huge value."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


def name_key(name: str) -> str:
    """Return what two names must not share: case and the way accents are written do not count."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def checked_name(name: str) -> str:
    """Return a name without the spaces around it. Raises `BadName` (empty, too_long, invisible)."""
    name = name.strip()
    if len(name) > LONGEST_NAME:
        raise BadName(name=name[:LONGEST_NAME] + "…", reason="too_long")
    if any(unicodedata.category(letter) in _UNSEEN and letter not in _JOINERS for letter in name):
        raise BadName(name=repr(name)[1:-1], reason="invisible")
    if not name_key(name) or all(letter in _JOINERS for letter in name):
        raise BadName(name=name, reason="empty")
    return name


def file_name(name: str) -> str:
    """Return the file's name for a preset's name: readable where it can be, and different for different keys."""
    key = name_key(name)
    plain = re.sub(r"[^a-z0-9]+", "-", key).strip("-")[:40] or "preset"
    return f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.yaml"


def read_preset(path: Path) -> PresetFile:
    """Read a file; whatever is wrong with it is told in the value's `problem`."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        return PresetFile(problem=_reason(error))
    return parse_preset(data)


@lru_cache(maxsize=256)
def parse_preset(data: bytes) -> PresetFile:
    """Return what a file with this content holds."""
    name = ""
    try:
        found = _load(data)
        if not isinstance(found, dict):
            raise _Problem("it must be a mapping")
        if unknown := [key for key in found if key not in _KEYS]:
            raise _Problem(f"unknown key {unknown[0]!r:.60}")
        name = _text(found, "name")
        return PresetFile(name, _texts(found, "title"), _texts(found, "description"), _order(found), _sampling(found))
    except (_Problem, SamovarError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        return PresetFile(name, problem=_reason(error))


def write_preset(path: Path, name: str, sampling: SamplingParams, descriptions: Mapping[str, str]) -> None:
    """Write one of the person's own. Raises `StorageFull`, `InvalidRequest` where writing is not permitted."""
    values: dict[str, Any] = {"name": name}
    if descriptions:
        values["description"] = dict(descriptions)
    values["sampling"] = sampling.difference()
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    fresh = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(reason=error.strerror) from error
        raise InvalidRequest(reason=f"the preset cannot be written ({error.strerror})") from error


class _Problem(Exception):
    """Something is wrong with a file."""


def _load(data: bytes) -> Any:
    if len(data) > LARGEST_FILE:
        raise _Problem(f"it is larger than {LARGEST_FILE // 1024} KiB")
    return yaml.load(data.decode("utf-8-sig"), _Loader)


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key, "")
    if not isinstance(value, str):
        raise _Problem(f"{key} must be a text")
    return checked_name(value) if value else ""


def _texts(found: Mapping[str, Any], key: str) -> Mapping[str, str]:
    value = found.get(key) or {}
    texts = {"en": value} if isinstance(value, str) else value
    if not isinstance(texts, dict) or not all(isinstance(at, str) for pair in texts.items() for at in pair):
        raise _Problem(f"{key} must be a text, or one for each language")
    return texts


def _order(found: Mapping[str, Any]) -> int:
    value = found.get("order", _LAST)
    if not isinstance(value, int):
        raise _Problem("order must be a number")
    return value


def _sampling(found: Mapping[str, Any]) -> SamplingParams:
    value = found.get("sampling") or {}
    if not isinstance(value, dict):
        raise _Problem("sampling must be a mapping of knobs")
    if wrong := [key for key in value if not isinstance(key, str)]:
        raise _Problem(f"unknown knob {wrong[0]!r:.60}")
    return SamplingParams.from_mapping(value)


def _reason(error: Exception) -> str:
    """One line without the full stop, which the sentence around it has."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:200].rstrip(".")
