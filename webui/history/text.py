"""What may stand in a column: text that every database takes, and ids that can be asked for."""

from __future__ import annotations

import unicodedata

from webui.errors import NotFound

LONGEST_TITLE = 200
_LARGEST_ID = 2**31 - 1
"""What an INTEGER column holds in PostgreSQL; SQLite's driver stops at 2**63 with an error of its own."""
_REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """Return `text` as it can be kept: NUL characters and lone surrogates become U+FFFD, one for one.

    Both can come from a browser; UTF-8 has no surrogates, and PostgreSQL no NUL.
    """
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_title(title: str) -> str:
    """Return a title in one line without control characters, at most `LONGEST_TITLE` long; perhaps empty."""
    begin = title[: 8 * LONGEST_TITLE]
    seen = (letter for letter in begin if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cs"))
    return " ".join("".join(seen).split())[:LONGEST_TITLE].rstrip()


def asked(number: int, what: str) -> int:
    """Return an id that came from outside. Raises `NotFound` for one that no row can have."""
    if not 0 < number <= _LARGEST_ID:
        raise NotFound(what=what)
    return number
