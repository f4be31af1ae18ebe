"""The README is complete: every command, flag and knob, and every file of the two trees."""

from __future__ import annotations

import re

from backends.sampling import knobs
from tests.style.source import ROOT, product_files
from webui.flags import flag
from webui.settings import options


def words() -> set[str]:
    """Return what stands in the README between backquotes or in its code blocks, piece by piece."""
    return set(re.split(r"[\s`|,;()]+", (ROOT / "README.md").read_text(encoding="utf-8")))


def test_every_flag_is_named() -> None:
    assert not {flag(name) for name in options()} - words()


def test_every_knob_is_named() -> None:
    assert not set(knobs()) - words()


def test_every_file_has_its_phrase() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [str(path.relative_to(ROOT)) for path in product_files(".py") if path.name not in text]
    assert not [name for name in missing if not name.endswith("__init__.py")]
