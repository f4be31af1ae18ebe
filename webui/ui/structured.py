"""A reply that is JSON, for people: a list of records as a table, a record as names and values, lists as lists.

The same text stands behind it as it was written. All of it is escaped here, and cleaned once more as all HTML is.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from webui.ui.highlight import code_block
from webui.ui.sanitize import clean_html, clean_text

LONGEST = 100_000
"""Above this many characters a reply is shown as text."""
_DEEPEST = 8
"""Values within values that are drawn; what lies deeper is shown as JSON."""
_MOST_COLUMNS, _MOST_ROWS = 12, 500
_SHORT = 32
"""Lists of words up to this length stand in one line."""


def structured(text: str) -> str | None:
    """Return a text that is a JSON object or list, and not an empty one, as HTML: drawn, and as it is.

    Return None for every other text.
    """
    value = _parsed(text)
    if not value:
        return None
    source = code_block(clean_text(text.strip()), "json")
    try:
        drawn = _value(value, 0)
    except RecursionError:
        return None
    return clean_html(f'<div class="data"><div class="drawn">{drawn}</div><div class="raw">{source}</div></div>')


def begins(text: str) -> bool:
    """Whether a text that is still being written looks like JSON so far."""
    start = text[:200].lstrip()
    if start[:1] == "{":
        return start[1:].lstrip()[:1] in ("", '"', "}")
    return start[:1] == "[" and start[1:].lstrip()[:1] in ("{", '"')


def unfinished(text: str) -> str:
    """Return JSON that is still being written, as it stands."""
    return clean_html(code_block(clean_text(text.strip()), "json", colour=False))


def _parsed(text: str) -> Any:
    start = text.lstrip()[:1]
    if len(text) > LONGEST or start not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _value(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        return f"<code>{_escaped(json.dumps(value, ensure_ascii=False))}</code>"
    if isinstance(value, dict):
        return _record(value, depth) if value else _nothing()
    if isinstance(value, list):
        return _list(value, depth) if value else _nothing()
    return _plain(value)


def _list(values: Sequence[Any], depth: int) -> str:
    columns = _columns(values)
    if columns:
        return _table(values, columns, depth)
    if all(_is_word(value) for value in values) and depth:
        return f'<span class="line">{", ".join(map(_plain, values))}</span>'
    items = "".join(f"<li>{_value(value, depth + 1)}</li>" for value in values)
    return f"<ol>{items}</ol>" if any(isinstance(value, dict | list) for value in values) else f"<ul>{items}</ul>"


def _columns(values: Sequence[Any]) -> Sequence[str]:
    """Return the names that the records of a list have, in order; none where a table would not help."""
    if len(values) > _MOST_ROWS or not all(isinstance(value, dict) and value for value in values):
        return ()
    names = list(dict.fromkeys(name for value in values for name in value))
    return names if len(names) <= _MOST_COLUMNS else ()


def _table(values: Sequence[Mapping[str, Any]], columns: Sequence[str], depth: int) -> str:
    numeric = {name for name in columns if all(_is_number(value.get(name)) for value in values)}
    head = "".join(f'<th class="{_side(name in numeric)}">{_escaped(name)}</th>' for name in columns)
    rows = "".join(
        "<tr>" + "".join(
            f'<td class="{_side(name in numeric)}">{_value(value[name], depth + 1) if name in value else ""}</td>'
            for name in columns
        ) + "</tr>"
        for value in values
    )  # fmt: skip
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _record(value: Mapping[str, Any], depth: int) -> str:
    rows = "".join(
        f"<tr><th>{_escaped(name)}</th><td>{_value(each, depth + 1)}</td></tr>" for name, each in value.items()
    )
    return f'<div class="table"><table class="record"><tbody>{rows}</tbody></table></div>'


def _plain(value: Any) -> str:
    if value is None:
        return _nothing()
    if isinstance(value, bool):
        return f'<span class="flag">{"true" if value else "false"}</span>'
    return _escaped(value if isinstance(value, str) else json.dumps(value))


def _nothing() -> str:
    return '<span class="nothing">—</span>'


def _is_word(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, str) and len(value) <= _SHORT and "\n" not in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _side(right: bool) -> str:
    return "right" if right else "left"


def _escaped(text: str) -> str:
    return html.escape(clean_text(text), quote=False)
