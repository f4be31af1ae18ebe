"""Markdown: the same HTML however the text arrives, and nothing in it that runs, loads or steers."""

from __future__ import annotations

import re

import pytest

from webui.ui import markdown
from webui.ui.markdown import LONGEST_TEXT, MarkdownStream, render, render_user

SAMPLES = {
    "empty": "",
    "paragraphs": "One **bold** word\nand a second line.\n\nAnother *one* with `code` and ~~not~~.",
    "heading": "# Title\n\nText\n## Second\ntext\n\nSetext\n---\n\n***\n\nend\n",
    "tight list": "- one\n- two\n  - inner\n  - more\n- three\n\nafter",
    "loose list": "1. one\n\n   more of one\n\n2. two\n\n   ```python\n   x = 1\n\n   y = 2\n   ```\n\n3. three\n",
    "numbers": "7. seven\n7. eight\n\ntext\n\n1. one\n",
    "list and code": "1. first\n```sh\nls\n```\n2. second\n",
    "year": "It was in\n1984. A book.\n",
    "fence": "Before\n```python\ndef f():\n\n    return '<b>'\n```\nafter",
    "tilde": "~~~\n```\nnested\n```\n~~~\nafter\n",
    "longer fence": "````md\n```\ninner\n```\n````\n\nafter",
    "unclosed": "Text\n\n```js\nlet a = `b`;\n\nlet c",
    "not a fence": "```a`b\n\ntext\n",
    "dash in fence": "```\n- ```\n```\nafter **b**\n",
    "table": "| a | b |\n|:-:|--:|\n| 1 | 2 |\n\nafter",
    "quote": "> one\n> ```\n> code\n> ```\nlazy\n\n> two\n",
    "tasks": "- [ ] open\n- [x] done\n",
    "math": "Sum \\(a+b\\), $x^2$:\n\n$$\n\\frac{a}{b}\n$$\n\n\\[ x \\]\n\n$$ open\n\nno end",
    "indented": "    code\n\n    more\n\ntext\n",
    "line ends": "a\r\n\r\n- b\r\n- c\r\nd\re",
    "russian": "Привет, **мир**!\n\n1. Раз\n2. Два\n\nКонец 🙂",
    "injection": "${1+1}<b>\n\n<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n",
}

ATTACKS = [
    "${1+1}<b>",
    "<script>alert(1)</script>",
    '<img src="x" onerror="alert(1)">',
    "[x](javascript:alert(1))",
    "[x](JaVa&#x53;cript:alert(1))",
    "[x](  javascript&colon;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "<javascript:alert(1)>",
    "![x](data:image/svg+xml;base64,AAAA)",
    "![x](javascript:alert(1))",
    "[x](/v1/models)",
    "[x](//evil.example/a)",
    "```<img/onerror=alert(1)>\ncode\n```",
    '```"onclick="alert(1)\ncode\n```',
    "`` ` <b> ` ``",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "\\[ \\href{javascript:alert(1)}{x} \\]",
    "$$\\unknown{<script>}$$",
    "| <b onclick=x> | b |\n|--|--|\n| <script> | ${x} |",
    '[x](http://a.example "onmouseover=alert(1)")',
    "- [ ] <svg onload=alert(1)>",
]


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES.keys())
def test_every_cut_gives_the_same(text: str) -> None:
    whole = render(text)
    for cut in range(len(text) + 1):
        stream = MarkdownStream()
        closed = [*stream.feed(text[:cut])[0], *stream.feed(text[cut:])[0]]
        assert "".join(closed) + stream.finish() == whole, f"cut at {cut}"


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES.keys())
def test_letter_by_letter_gives_the_same(text: str) -> None:
    stream = MarkdownStream()
    closed: list[str] = []
    for letter in text:
        closed += stream.feed(letter)[0]
    assert "".join(closed) + stream.finish() == render(text)


def test_closed_blocks_are_not_rendered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = markdown._render_block
    monkeypatch.setattr(
        markdown,
        "_render_block",
        lambda block, *, open_: seen.append(len(block.source)) or original(block, open_=open_),
    )
    stream = MarkdownStream()
    for number in range(50):
        stream.feed(f"Paragraph {number} of a long reply.\n\n")
    assert max(seen) < 3 * len("Paragraph 50 of a long reply.\n\n")


def test_a_slow_open_block_is_looked_at_less_often() -> None:
    ticks = iter(range(1000))
    stream = MarkdownStream(clock=lambda: float(next(ticks)))
    looks = [stream.feed("word ")[1] for _ in range(40)]
    assert len(set(looks)) < 6
    assert stream.finish().count("word") == 40


def test_code_gets_its_colours_when_it_is_closed() -> None:
    stream = MarkdownStream()
    _, open_ = stream.feed("```python\nimport os\n")
    closed, rest = stream.feed("```\n")
    assert '<span class="kn">' not in open_
    assert '<span class="kn">import</span>' in "".join(closed)
    assert rest == ""


def test_items_know_their_numbers() -> None:
    assert re.findall(r'<ol start="(\d+)"', render("3. a\n3. b\n\n3. c\n")) == ["3", "4", "5"]
    assert render("- a\n- b\n").count("data-follows") == 1


def test_what_is_drawn() -> None:
    html = render("| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n- [x] done\n\n$x^2$ costs $5 and $10\n\na\nb")
    assert '<td class="center">1</td>' in html
    assert 'aria-checked="true"' in html
    assert "<msup>" in html
    assert "costs $5 and $10" in html
    assert "<p>a<br>" in html


def test_links_open_elsewhere_and_tell_nothing() -> None:
    html = render("[x](https://a.example/) ![cat](http://b.example/c.png)")
    assert html.count('rel="noopener noreferrer nofollow"') == html.count('target="_blank"') == 2
    assert "<img" not in html
    assert ">cat</a>" in html


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("draw", [render, render_user])
def test_nothing_runs(attack: str, draw: object) -> None:
    html = draw(attack)  # type: ignore[operator]
    tags = re.findall(r"<(\w+)([^>]*)>", html)
    assert not {tag for tag, _ in tags} & {"script", "img", "svg", "b", "iframe", "button", "input", "style"}
    for _, attributes in tags:
        assert not re.search(r"\bon\w+\s*=", re.sub(r'"[^"]*"', '""', attributes))
    for link in re.findall(r'href="([^"]*)"', html):
        assert link.startswith(("http://", "https://", "mailto:"))


def test_templates_stay_text() -> None:
    assert "${1+1}&lt;b&gt;" in render("${1+1}<b>")
    assert "${1+1}&lt;b&gt;" in render_user("${1+1}<b>")


def test_direction_cannot_be_overridden() -> None:
    for html in (render("a\u202etxt.exe"), render_user("a\u202etxt.exe"), render("```\na\u202e\n```")):
        assert "\u202e" not in html
        assert "�" in html


def test_halves_of_characters_do_not_break_it() -> None:
    assert "�" in render("a\ud83d")


def test_own_words_stay_as_typed() -> None:
    html = render_user("  **not bold**\n\n    indented\n```py\nx = 1\n```\n# no heading")
    assert "**not bold**" in html
    assert "    indented" in html
    assert '<span class="n">x</span>' in html
    assert "<h1>" not in html


@pytest.mark.parametrize(
    "text",
    ["x" * 5_000_000, "ab **c** <d>\n" * 400_000, "[" * 30_000, "\\(" * 20_000, "![](" * 10_000, "> " * 10_000 + "x",
     "`" * 30_000 + "a", "| a " * 5_000 + "\n" + "|-" * 5_000 + "\n"],
    ids=["one line", "5 MB", "brackets", "formulas", "images", "quotes", "backticks", "columns"],
)  # fmt: skip
def test_monsters_are_borne(text: str) -> None:
    html = render(text)
    assert html
    if len(text) > LONGEST_TEXT:
        assert html.startswith('<pre class="plain">')


def test_a_stream_that_grows_without_end_becomes_plain() -> None:
    stream = MarkdownStream()
    stream.feed("x" * (LONGEST_TEXT + 1))
    assert stream.finish().startswith('<pre class="plain">')


def test_a_preview_is_what_would_come_and_is_not_taken() -> None:
    stream = MarkdownStream()
    closed, _ = stream.feed("One\n\nTwo *")
    for text in ("three*\n\n- four\n- five", "six*", ""):
        assert "".join(closed) + stream.preview(text) == render("One\n\nTwo *" + text)
    assert stream.finish() == render("Two *")
