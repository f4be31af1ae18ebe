"""The page works offline: nothing that is served makes the browser, or the server, fetch from elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.style.source import ROOT, product_files

_OUTSIDE = r"""["'`]?\s*(?:https?:)?//(?!127\.0\.0\.1|localhost)[\w.-]+\."""
FETCHES = re.compile(
    rf"""(?:\b(?:src|href|srcset|action|poster)\s*[=:]\s*{_OUTSIDE}
    |@import\s+(?:url\()?\s*{_OUTSIDE}
    |\burl\(\s*{_OUTSIDE}
    |\b(?:import|importScripts|fetch|WebSocket|EventSource)\s*\(?\s*{_OUTSIDE}
    |\bfrom\s+{_OUTSIDE}
    |GoogleFont)""",
    re.VERBOSE | re.IGNORECASE,
)


def test_nothing_is_fetched_from_elsewhere() -> None:
    pages = [path for path in product_files(".py", ".js", ".css", ".html", ".svg") if "ui" in path.parts]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in pages
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FETCHES.search(line)
    ]
    assert pages
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        '<script src="https://cdn.example.org/a.js">',
        "<link href=//fonts.example.org/css>",
        "@import 'https://fonts.example.org/a.css';",
        "background: url( 'http://example.org/a.png' )",
        'import x from "https://esm.example.org/x"',
        "await fetch(`https://example.org`)",
        'gr.themes.GoogleFont("Inter")',
    ],
)
def test_a_fetch_is_found(line: str) -> None:
    assert FETCHES.search(line)


@pytest.mark.parametrize(
    "line", ['xmlns="http://www.w3.org/2000/svg"', 'href="/invite"', "fetch('/health')", 'link.href = "#"']
)
def test_what_stays_at_home_is_free(line: str) -> None:
    assert not FETCHES.search(line)
