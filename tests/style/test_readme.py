"""The README is complete and true: every flag, lever and file, as the code has them."""

from __future__ import annotations

import re

import pytest

from backends.sampling import knobs
from tests.style.readme_blocks import BLOCK, BLOCKS, README, filled, flags, levers, phrase, tree
from tests.style.source import ROOT, product_files
from webui.flags import flag
from webui.settings import options


def words(text: str) -> set[str]:
    """Return what stands between backquotes or in code blocks, piece by piece."""
    return set(re.split(r"[\s`|,;()]+", text))


@pytest.fixture
def readme() -> str:
    return README.read_text(encoding="utf-8")


def test_every_flag_is_named(readme: str) -> None:
    assert not {flag(name) for name in options()} - words(readme)


def test_every_knob_is_named(readme: str) -> None:
    assert not set(knobs()) - words(readme)


def test_every_file_has_its_phrase(readme: str) -> None:
    files = [path for path in product_files(".py") if path.name != "__init__.py"]
    assert not [path for path in files if path.name not in readme]
    assert not [path for path in files if not phrase(path)]


def test_the_blocks_are_what_the_code_says(readme: str) -> None:
    assert {name for _, name, _ in BLOCK.findall(readme)} == set(BLOCKS)
    assert filled(readme) == readme, "run: python -m tests.style.readme_blocks"


def test_every_link_leads_somewhere(readme: str) -> None:
    targets = {target for target in re.findall(r"\]\(([^)\s]+)\)", readme) if not target.startswith("https://")}
    headings = re.findall(r"^#+ (.+)$", readme, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert "#levers" in targets
    assert not {target for target in targets if target.startswith("#")} - anchors
    # The pictures are made by hand from the running page.
    files = {target for target in targets if not target.startswith(("#", ".github/tour/"))}
    assert not [target for target in files if not (ROOT / target).exists()]


def test_a_block_is_written_anew_and_only_it() -> None:
    text = "before\n<!-- begin: flags -->\nold\n<!-- end: flags -->\nafter\n"
    assert filled(text) == f"before\n<!-- begin: flags -->\n\n{flags()}\n\n<!-- end: flags -->\nafter\n"
    assert filled(filled(text)) == filled(text)


def test_the_blocks_are_made_of_the_tables() -> None:
    assert "| `--port NUMBER` | `7860` | The port; 0 takes any free one. |" in flags()
    assert re.search(r"\| `top_k` \| \*\*Top-k\.\*\* .+ \| 0 and more \| `0` \|", levers())
    assert "  - `errors.py`: The errors of the backends." in tree()
