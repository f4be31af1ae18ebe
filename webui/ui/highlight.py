"""Code with colours: Pygments' classes, never inline styles, so that both themes can draw it."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LONGEST_COLOURED = 60_000
"""Above this many characters code stays without colours."""

_NAME = re.compile(r"[\w+#.\-]{1,24}")


def code_block(code: str, language: str, *, colour: bool = True) -> str:
    """Return a block of code; `language` is the word after the fence and may be anything."""
    found = _NAME.match(language.lower())
    name = found[0] if found else ""
    lexer = _lexer(name) if colour and name and len(code) <= LONGEST_COLOURED else None
    body = html.escape(code, quote=False) if lexer is None else _coloured(code, name)
    return f'<div class="code" data-lang="{html.escape(name)}"><pre><code>{body}</code></pre></div>\n'


@lru_cache(128)
def _lexer(name: str) -> Lexer | None:
    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@lru_cache(256)
def _coloured(code: str, name: str) -> str:
    lexer = _lexer(name)
    assert lexer is not None
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
