"""Formulas in Markdown: `\\(…\\)`, `\\[…\\]`, `$…$` and `$$…$$` become MathML, which browsers draw by themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_LONGEST = 4000
_ENDS: Mapping[str, str] = {"$$": "$$", "\\[": "\\]"}
_PAIRS: Mapping[str, str] = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_DOLLARS = re.compile(r"(?<![\w$])\$(?![\s${])([^$\n`]{1,400})(?<![\s\\])\$(?![\w${])")
"""One dollar is a formula only when it touches what it encloses and no letter or figure outside: not `$5 and $10`.
Nor when a brace follows: `${…}` is code."""


def formulas(markdown: MarkdownIt) -> None:
    """Add the rules to a parser."""
    markdown.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "blockquote", "list"]})
    markdown.inline.ruler.before("escape", "math_inline", _inline)


@lru_cache(512)
def mathml(latex: str, *, display: bool) -> str:
    """Return a formula as MathML; what cannot be read stays as it was written, as code."""
    try:
        if len(latex) > _LONGEST:
            raise ValueError
        return str(convert(latex.strip(), display="block" if display else "inline"))
    except Exception:  # The converter raises whatever its reading stumbles on, IndexError and RecursionError too.
        return f'<code class="formula">{html.escape(latex)}</code>'


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    begin, stop = state.bMarks[start] + state.tShift[start], state.eMarks[start]
    opening = state.src[begin : begin + 2]
    if state.is_code_block(start) or opening not in _ENDS:
        return False
    closing, line, first = _ENDS[opening], start, state.src[begin + 2 : stop]
    lines = [first]
    while not lines[-1].rstrip().endswith(closing):
        line += 1
        if line >= end or state.isEmpty(line):
            return False
        lines.append(state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]])
    latex = "\n".join(lines).rstrip()[: -len(closing)]
    if not latex.strip() or closing in latex:
        return False
    if not silent:
        state.line = line + 1
        token = state.push("math_block", "math", 0)
        token.content, token.map, token.block = latex, [start, state.line], True
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    opening = state.src[state.pos : state.pos + 2]
    if closing := _PAIRS.get(opening, ""):
        end = state.src.find(closing, state.pos + 2, state.pos + _LONGEST)
        latex = state.src[state.pos + 2 : end] if end > 0 else ""
        end += 2
    else:
        found = _DOLLARS.match(state.src, state.pos)
        latex, end = (found[1], found.end()) if found else ("", 0)
    if not latex.strip() or end > state.posMax:
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content, token.meta = latex, {"display": opening in _ENDS}
    state.pos = end
    return True
