"""Where in a text something is: a line and a column for a person, a path through JSON for a program."""

from __future__ import annotations

import json
import re

Path = tuple[str | int, ...]
"""Keys and indexes from the root of a JSON document."""

_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"[^\W\d][\w-]*|\$\w+")
_DECODER = json.JSONDecoder(strict=False)


def place(text: str, offset: int) -> str:
    """Return the line and the column of a character, both counted from 1, as "3:14"."""
    before = text[:offset]
    return f"{before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}"


def path_text(path: Path) -> str:
    """Return a path much as JSONPath writes it (RFC 9535): `$.properties["first name"].type`."""
    return "$" + "".join(
        f".{part}" if isinstance(part, str) and _PLAIN.fullmatch(part) else f"[{json.dumps(part, ensure_ascii=False)}]"
        for part in path
    )


def place_in_json(text: str, path: Path) -> str:
    """Return where a path leads to in a JSON text, as "3:14 $.a.b": to the key of a member, else to the value."""
    return f"{place(text, _offset(text, _blank(text, 0), path))} {path_text(path)}"


def _offset(text: str, at: int, path: Path) -> int:
    """Return where the value (or the last key) of a path begins; `at` is where the outermost value does."""
    if not path:
        return at
    opened, index, at = text[at], 0, _blank(text, at + 1)
    while text[at] not in "]}":
        key: str | int = index
        began = at
        if opened == "{":
            key, at = _DECODER.raw_decode(text, at)
            at = _blank(text, _blank(text, at) + 1)
        if key == path[0]:
            return _offset(text, at, path[1:]) if path[1:] or opened == "[" else began
        _, at = _DECODER.raw_decode(text, at)
        at = _blank(text, at)
        at = _blank(text, at + 1) if text[at] == "," else at
        index += 1
    return began if index else at


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
