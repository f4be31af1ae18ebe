"""Flags and environment variables read by one table, with their help, in English and Russian.

Only the standard library is used here, so that `--help` works before anything is installed.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from backends.errors import InvalidRequest
from webui.surroundings import Language

Kind = Literal["text", "path", "host", "url", "int", "switch", "texts"]

_REASONS: Mapping[str, tuple[str, str]] = {
    "unknown": ("there is no such flag; --help lists all", "такого ключа нет; все перечислены в --help"),
    "missing": ("it needs a value", "нужно значение"),
    "surplus": ("it takes no value", "значение здесь не нужно"),
    "int": ("{value} is not a whole number that fits: {allowed}", "{value} — не подходящее целое число: {allowed}"),
    "switch": ("{value} is neither yes nor no", "{value} — это ни «да», ни «нет»"),
    "text": ("{value} holds a control character", "{value} содержит управляющий символ"),
    "empty": ("it must not be empty", "значение не может быть пустым"),
    "host": ("{value} is not a host name or an IP address", "{value} — не имя узла и не IP-адрес"),
    "url": (
        "a database URL looks like postgresql://user@host/name",
        "адрес базы выглядит как postgresql://user@host/name",
    ),
}
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,12}\s*")
_HOST = re.compile(r"[\w.:%\[\]-]+")
_HELP_COLUMN = 26


class BadSetting(InvalidRequest):
    """A flag or a variable that cannot be used; the reason is in the reader's language. Details: name, reason."""

    message = "{name}: {reason}"


@dataclass(frozen=True, slots=True)
class Option:
    """How a setting is given: its kind, the word for its value, its help in English and Russian, its range.

    `also` holds the numbers outside the range that have a meaning of their own.
    """

    kind: Kind
    metavar: str
    help: tuple[str, str]
    least: int = 0
    most: int = 0
    also: tuple[int, ...] = ()


def flag(name: str) -> str:
    """Return the flag of a setting: `gpu_layers` -> `--gpu-layers`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """Return the environment variable of a setting: `gpu_layers` -> `SAMOVAR_GPU_LAYERS`."""
    return "SAMOVAR_" + name.upper()


def read(
    options: Mapping[str, Option], argv: Sequence[str], environ: Mapping[str, str], spoken: Language
) -> dict[str, Any]:
    """Return the values that were given; a flag wins over its variable. Raises `BadSetting` in `spoken`."""
    reader = _Reader(spoken)
    given = reader.flags(options, argv)
    values: dict[str, Any] = {}
    for name, option in options.items():
        if name in given:
            values[name] = reader.value(flag(name), option, given[name])
        elif variable(name) in environ:
            values[name] = reader.value(variable(name), option, environ[variable(name)])
    return values


def help_lines(
    options: Mapping[str, Option], defaults: Mapping[str, Any], spoken: Language, width: int
) -> Iterator[str]:
    """Yield the lines of the help, wrapped to `width` columns."""
    for name, option in options.items():
        text = option.help[spoken == "ru"]
        if option.kind in ("int", "host"):
            text += f" [{defaults[name]}]"
        left = f"  {flag(name)} {option.metavar}".rstrip()
        lines = textwrap.wrap(text, max(30, width - _HELP_COLUMN))
        yield f"{left:<{_HELP_COLUMN - 1}} {lines[0]}"
        yield from (" " * _HELP_COLUMN + line for line in lines[1:])


class _Reader:
    """Turns texts into values and complains in one language."""

    def __init__(self, spoken: Language) -> None:
        self._spoken = spoken

    def flags(self, options: Mapping[str, Option], argv: Sequence[str]) -> dict[str, Any]:
        parser = argparse.ArgumentParser(
            add_help=False, allow_abbrev=False, exit_on_error=False, argument_default=argparse.SUPPRESS
        )
        for name, option in options.items():
            action = {"switch": "store_const", "texts": "append"}.get(option.kind, "store")
            more: dict[str, Any] = {"const": "yes"} if option.kind == "switch" else {}
            parser.add_argument(flag(name), dest=name, action=action, **more)
        try:
            given, rest = parser.parse_known_args(list(argv))
        except argparse.ArgumentError as error:
            self._fail(str(error.argument_name), "surplus" if "ignored" in error.message else "missing")
        if rest:
            self._fail(rest[0], "unknown")
        return vars(given)

    def value(self, name: str, option: Option, given: str | list[str]) -> Any:
        if isinstance(given, list) or option.kind == "texts":
            items = given if isinstance(given, list) else given.split(",")
            return tuple(self._text(name, item.strip()) for item in items if item.strip())
        if option.kind == "int":
            return self._int(name, option, given)
        if option.kind == "switch":
            return self._switch(name, given)
        text = self._text(name, given)
        if option.kind == "path":
            return Path(text).expanduser().absolute() if text else self._fail(name, "empty")
        if option.kind == "host" and not _HOST.fullmatch(text):
            self._fail(name, "host", value=repr(text))
        if option.kind == "url" and text and "://" not in text:
            self._fail(name, "url")
        return text

    def _int(self, name: str, option: Option, given: str) -> int:
        number = int(given) if _INTEGER.fullmatch(given) else None
        if number is None or not (option.least <= number <= option.most or number in option.also):
            allowed = ", ".join([*map(str, option.also), f"{option.least} … {option.most}"])
            self._fail(name, "int", value=repr(given), allowed=allowed)
        return number

    def _switch(self, name: str, given: str) -> bool:
        if given.lower() not in _YES | _NO:
            self._fail(name, "switch", value=repr(given))
        return given.lower() in _YES

    def _text(self, name: str, given: str) -> str:
        if not given.isprintable():
            self._fail(name, "text", value=repr(given))
        return given

    def _fail(self, name: str, key: str, **details: str) -> NoReturn:
        reason = _REASONS[key][self._spoken == "ru"].format_map(details)
        raise BadSetting(name=name, reason=reason)
