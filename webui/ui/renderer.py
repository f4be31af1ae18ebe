"""The HTML of Markdown's tokens where it is other than the library's."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from webui.ui.blocks import Block
from webui.ui.formulas import mathml
from webui.ui.highlight import code_block


def _fence(_renderer: RendererHTML, tokens: Sequence[Token], idx: int, _options: Any, env: Any) -> str:
    words = tokens[idx].info.split()
    return code_block(tokens[idx].content, words[0] if words else "", colour=not env["open"])


def _code_block(_renderer: RendererHTML, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
    return code_block(tokens[idx].content, "")


def _image(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    source = str(tokens[idx].attrs.get("src", ""))
    label = renderer.renderInlineAsText(tokens[idx].children or [], options, env) or source
    return f'<a href="{html.escape(source)}">{html.escape(label, quote=False)}</a>'


def _math_block(_renderer: RendererHTML, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
    return f'<div class="formula">{mathml(tokens[idx].content, display=True)}</div>\n'


def _math_inline(_renderer: RendererHTML, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
    return mathml(tokens[idx].content, display=bool(tokens[idx].meta["display"]))


def _html_inline(_renderer: RendererHTML, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
    # Raw HTML is off, so this can only be the box of a task list.
    checked = "true" if 'checked="checked"' in tokens[idx].content else "false"
    return f'<span class="check" role="checkbox" aria-checked="{checked}" aria-disabled="true"></span>'


def _th_open(_renderer: RendererHTML, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
    return _cell("th", tokens[idx])


def _td_open(_renderer: RendererHTML, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
    return _cell("td", tokens[idx])


def _table_open(_renderer: RendererHTML, _tokens: Sequence[Token], _idx: int, _options: Any, _env: Any) -> str:
    return '<div class="table"><table>\n'


def _table_close(_renderer: RendererHTML, _tokens: Sequence[Token], _idx: int, _options: Any, _env: Any) -> str:
    return "</table></div>\n"


def _ordered_list_open(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    block: Block = env["block"]
    if tokens[idx].level == 0 and block.number is not None:
        tokens[idx].attrSet("start", str(block.number))
    return _list_open(renderer, tokens, idx, options, env)


def _bullet_list_open(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    return _list_open(renderer, tokens, idx, options, env)


def _list_open(renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    if idx == 0 and env["block"].follows:
        tokens[idx].attrSet("data-follows", "")
    return renderer.renderToken(tokens, idx, options, env)


def _cell(tag: str, token: Token) -> str:
    side = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return f'<{tag} class="{side}">' if side in ("right", "center") else f"<{tag}>"


RULES: Mapping[str, Callable[[RendererHTML, Sequence[Token], int, Any, Any], str]] = {
    "fence": _fence,
    "code_block": _code_block,
    "image": _image,
    "math_block": _math_block,
    "math_inline": _math_inline,
    "html_inline": _html_inline,
    "th_open": _th_open,
    "td_open": _td_open,
    "table_open": _table_open,
    "table_close": _table_close,
    "ordered_list_open": _ordered_list_open,
    "bullet_list_open": _bullet_list_open,
}
"""By the token's name. The environment holds `open`, whether the block may still grow, and `block`, the `Block`."""
