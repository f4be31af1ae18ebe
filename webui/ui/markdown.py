"""Markdown to safe HTML, whole or while it is being written.

The cost of a reply is that of rendering each block once, plus the open block at every look at it. Raw HTML is shown
as text, images become links (a remote image would tell its server who reads), links may lead to the web and to mail.
"""

from __future__ import annotations

import copy
import html
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from mdit_py_plugins.tasklists import tasklists_plugin

from webui.ui.blocks import Block, Splitter
from webui.ui.formulas import formulas
from webui.ui.highlight import code_block
from webui.ui.renderer import RULES
from webui.ui.sanitize import SCHEMES, clean_html, clean_text

LONGEST_TEXT = 400_000
"""Above this many characters a message is shown as plain text."""
LONGEST_BLOCK = 20_000
"""Above this many characters a single block that is not code is shown as plain text."""
REST = 20
"""After a look at the open block this many times its duration pass before the next: at most a twentieth of a core."""

_FENCE_LINE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`]*$")


class MarkdownStream:
    """Markdown that grows. What `feed` has called closed never changes."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` tells the seconds by which the looks at a long open block are spaced."""
        self._clock = clock
        self._splitter = Splitter()
        self._length = 0
        self._carriage = ""
        self._open, self._next_look = "", 0.0

    def feed(self, text: str) -> tuple[list[str], str]:
        """Take more text; return the HTML of the blocks that it closed and of the one that is open.

        Where the open block is so long that it is slow to render, it is looked at less often, and what is returned
        may lag behind by a moment; `finish` never does.
        """
        self._length += len(text)
        # A line end may come in two halves.
        text, self._carriage = self._carriage + text, ""
        if text.endswith("\r"):
            text, self._carriage = text[:-1], "\r"
        closed = [self._render(block, open_=False) for block in self._splitter.feed(clean_text(text))]
        began = self._clock()
        if closed or began >= self._next_look:
            self._open = self._render(self._splitter.rest, open_=True)
            ended = self._clock()
            self._next_look = ended + REST * (ended - began)
        return closed, self._open

    def preview(self, text: str) -> str:
        """Return the HTML of the open block with `text` behind it, which is not taken: it may still change."""
        fork = copy.deepcopy(self)
        closed, _ = fork.feed(text)
        return "".join(closed) + fork.finish()

    def finish(self) -> str:
        """Return the HTML of the block that is still open, now that no more comes."""
        return self._render(self._splitter.rest, open_=False)

    def _render(self, block: Block, *, open_: bool) -> str:
        if not block.source.strip():
            return ""
        if self._length > LONGEST_TEXT:
            return plain(block.source)
        return _render_block(block, open_=open_)


def render(text: str) -> str:
    """Return a whole text as safe HTML: what a stream's closed blocks and its `finish` add up to."""
    if len(text) > LONGEST_TEXT:
        return plain(clean_text(text))
    stream = MarkdownStream()
    closed, _ = stream.feed(text)
    return "".join(closed) + stream.finish()


def render_user(text: str) -> str:
    """Return a person's own words as they typed them, with code fences drawn as code."""
    text = clean_text(text)
    if len(text) > LONGEST_TEXT:
        return plain(text)
    out: list[str] = []
    lines: list[str] = []
    fence, language = "", ""
    for line in text.split("\n"):
        opening = None if fence else _FENCE_LINE.match(line)
        if opening:
            out.append(_words(lines))
            fence, language, lines = opening[1], opening[2], []
        elif fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            out.append(code_block("\n".join(lines), language))
            fence, lines = "", []
        else:
            lines.append(line)
    out.append(code_block("\n".join(lines), language) if fence else _words(lines))
    return clean_html("".join(out))


def plain(text: str) -> str:
    """Return text as it is, in a block that keeps its lines."""
    return f'<pre class="plain">{html.escape(text, quote=False)}</pre>\n'


def _words(lines: Sequence[str]) -> str:
    text = "\n".join(lines).strip("\n")
    return f'<p class="words">{html.escape(text, quote=False)}</p>\n' if text.strip() else ""


def _render_block(block: Block, *, open_: bool) -> str:
    if len(block.source) > LONGEST_BLOCK and not (block.fenced or block.source.lstrip().startswith(("```", "~~~"))):
        return plain(block.source)
    try:
        made = _parser().render(block.source, {"open": open_, "block": block})
    except RecursionError:
        return plain(block.source)
    return clean_html(made)


@lru_cache(1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 24})
    parser.enable(["table", "strikethrough"]).disable("reference").use(formulas)
    parser.use(tasklists_plugin)
    for name, rule in RULES.items():
        parser.add_render_rule(name, rule)
    parser.validateLink = _may_link  # type: ignore[method-assign]
    return parser


def _may_link(url: str) -> bool:
    try:
        return urlsplit(html.unescape(url).strip()).scheme.lower() in SCHEMES
    except ValueError:
        return False
