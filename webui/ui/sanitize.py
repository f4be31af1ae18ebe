"""The last wall before the page: only the tags and attributes that our own rendering makes."""

from __future__ import annotations

import re

import nh3

SCHEMES = frozenset({"http", "https", "mailto"})
"""What a link may lead to. No relative links either: text must not steer the reader around our own server."""

_TEXT = "p br hr h1 h2 h3 h4 h5 h6 em strong s del blockquote ul ol li pre code div span table thead tbody tr th td a"
_MATH = (
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom menclose "
    "msub msup msubsup munder mover munderover mmultiscripts mprescripts mtable mtr mtd"
)
_MATH_ATTRIBUTES = (
    "display mathvariant mathsize mathcolor mathbackground displaystyle scriptlevel stretchy fence separator form "
    "accent accentunder movablelimits linethickness lspace rspace width height depth minsize maxsize largeop symmetric "
    "columnalign rowspacing columnspacing columnlines rowlines notation dir"
)
_CLEANER = nh3.Cleaner(
    tags={*_TEXT.split(), *_MATH.split()},
    clean_content_tags={"script", "style"},
    attributes={
        "a": {"href", "title"},
        "ol": {"start", "data-follows"},
        "ul": {"data-follows"},
        "code": {"class"},
        "pre": {"class"},
        "span": {"class", "role", "aria-checked", "aria-disabled"},
        "div": {"class", "data-lang"},
        "table": {"class"},
        "th": {"class"},
        "td": {"class"},
        "li": {"class"},
        "math": {"xmlns", *_MATH_ATTRIBUTES.split()},
        **{tag: set(_MATH_ATTRIBUTES.split()) for tag in _MATH.split() if tag != "math"},
    },
    url_schemes=set(SCHEMES),
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\ud800-\udfff]")
"""Control characters, the old direction overrides (they make `exe.txt` of `txt.exe`), halves of surrogate pairs."""


def clean_html(html: str) -> str:
    """Return HTML without anything that could run, load or steer."""
    return _CLEANER.clean(html)


def clean_text(text: str) -> str:
    """Return text with line ends unified and characters that must not reach a page made visible as U+FFFD."""
    return _UNSEEN.sub("�", text.replace("\r\n", "\n").replace("\r", "\n"))
