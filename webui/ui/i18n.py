"""Sentences in the reader's language, filled with their details. The tables are in `webui.ui.words`.

A place in a sentence is `{name}`, `{name:n}` for a number that is grouped, or `{name:one|many}`, in Russian
`{name:one|few|many}`, for the word that goes with a number. Numbers given to `{name}` are grouped, texts are not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Any, Literal

from webui.flags import flag
from webui.settings import options
from webui.surroundings import Language
from webui.ui.words.console import CONSOLE
from webui.ui.words.errors import ERRORS, UNKNOWN
from webui.ui.words.knobs import GROUPS, HELP, LABELS
from webui.ui.words.notices import NOTICES
from webui.ui.words.page import PAGE
from webui.ui.words.panel import PANEL
from webui.ui.words.reasons import REASONS, UNSAID
from webui.ui.words.shapes import SHAPES

Level = Literal["info", "warning", "error"]
_Words = tuple[str, str]

_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_PLACE = re.compile(r"\\\{\w+\\\}")


@dataclass(frozen=True, slots=True)
class KnobWords:
    """The name of a lever, and what it does in a sentence or two."""

    label: str
    help: str


def language(tag: str) -> Language:
    """Return the language for a tag such as "ru-RU"; English for every one that is not Russian."""
    return "ru" if re.split(r"[-_.@]", tag.strip().lower(), maxsplit=1)[0] in ("ru", "rus") else "en"


def text(key: str, spoken: str, /, **details: object) -> str:
    """Return a sentence of the page or the console. Raises KeyError for an unknown key or a missing detail."""
    words = next((table[key] for table in (PAGE, PANEL, SHAPES, CONSOLE) if key in table), None)
    if words is None:
        raise KeyError(key)
    return _fill(words, spoken, details)


def table(spoken: str) -> Mapping[str, str]:
    """Return every sentence of the page in a language, its places still open, for the page's scripts."""
    return {key: words[spoken == "ru"] for key, words in {**PAGE, **PANEL, **SHAPES}.items()}


def error(code: str, details: Mapping[str, Any], spoken: str) -> str:
    """Return what happened and what to do. Details may be texts that were numbers once; a missing one is a "?"."""
    case = next((details[name] for name in ("reason", "what", "name") if name in details), "")
    words = ERRORS.get(f"{code}.{case}") or ERRORS.get(code)
    if words is None:
        return _fill(ERRORS[UNKNOWN], spoken, {"code": code})
    return _fill(words, spoken, _Known(_said({"reason": "", **details}, spoken)))


def notice(code: str, details: Mapping[str, Any], spoken: str) -> tuple[Level, str]:
    """Return the level and the text of a short notice: of what was done, or of an error's code."""
    if code in NOTICES:
        return "info", _fill(NOTICES[code], spoken, _Known(details))
    return "error", error(code, details, spoken)


def knob(name: str, spoken: str) -> KnobWords:
    """Return the words of a lever. Raises KeyError for an unknown one."""
    return KnobWords(LABELS[name][spoken == "ru"], HELP[name][spoken == "ru"])


def group(name: str, spoken: str) -> str:
    """Return the title of a group of levers. Raises KeyError for an unknown one."""
    return GROUPS[name][spoken == "ru"]


def reason(said: str, spoken: str) -> str:
    """Return the reason in an error, translated if it is one of ours, without a full stop."""
    said = said.strip().rstrip(".")
    if not said:
        return UNSAID[spoken == "ru"]
    if spoken != "ru":
        return said
    for pattern, russian in _reasons():
        if found := pattern.fullmatch(said):
            return russian.format_map(found.groupdict())
    return said


def number(value: float, spoken: str) -> str:
    """Return a number as it is written in a language: 12,345.6 or 12 345,6."""
    grouped = f"{value:,}"
    return grouped.replace(",", _NO_BREAK_SPACE).replace(".", ",") if spoken == "ru" else grouped


def plural(value: float, spoken: str, forms: Sequence[str]) -> str:
    """Return the word that goes with a number; `forms` are one, many in English and one, few, many in Russian.

    The rules are those of the Unicode CLDR; a Russian fraction takes the genitive singular, which is "few".
    """
    if spoken != "ru":
        return forms[0] if value == 1 else forms[-1]
    if value != math.floor(value):
        return forms[1]
    tens, ones = abs(int(value)) % 100, abs(int(value)) % 10
    if ones == 1 and tens != 11:
        return forms[0]
    return forms[1] if 2 <= ones <= 4 and not 12 <= tens <= 14 else forms[2]


class _Known(dict[str, Any]):
    """Details of which one may be missing, as in what an older version kept."""

    def __missing__(self, name: str) -> str:
        return "?"


class _Filler(Formatter):
    """Fills the places of a sentence in one language."""

    def __init__(self, spoken: str) -> None:
        self._spoken = spoken

    def format_field(self, value: Any, format_spec: str) -> str:
        counted = value if isinstance(value, int | float) and not isinstance(value, bool) else None
        if counted is None and format_spec:
            counted = _number_in(str(value))
        if "|" in format_spec:
            return plural(counted if counted is not None else 0, self._spoken, format_spec.split("|"))
        return str(value) if counted is None else number(counted, self._spoken)


def _fill(words: _Words, spoken: str, details: Mapping[str, Any]) -> str:
    return _Filler(spoken).vformat(words[spoken == "ru"], (), details)


def _said(details: Mapping[str, Any], spoken: str) -> Iterator[tuple[str, str]]:
    """Yield an error's details as texts, the reason translated."""
    for name, value in details.items():
        said = str(value)
        if name in ("reason", "allowed"):
            said = reason(said, spoken)
        elif name == "name":
            said = _shown(said, spoken)
        yield name, said


def _shown(name: str, spoken: str) -> str:
    """Return a name as people know it: a lever's label, the flag of a setting."""
    if name in LABELS:
        return LABELS[name][spoken == "ru"]
    return flag(name) if name in options() else name


def _number_in(said: str) -> float | None:
    if not _NUMBER.fullmatch(said):
        return None
    return float(said) if "." in said else int(said)


@lru_cache
def _reasons() -> Sequence[tuple[re.Pattern[str], str]]:
    """Return the patterns of the reasons; the ones without places come first."""
    ordered = sorted(REASONS, key=lambda known: "{" in known)
    return [(re.compile(_PLACE.sub(_named_group, re.escape(known)), re.DOTALL), REASONS[known]) for known in ordered]


def _named_group(place: re.Match[str]) -> str:
    return f"(?P<{place[0][2:-2]}>.+?)"
