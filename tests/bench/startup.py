"""How soon a started server answers and its page can be used, and what it takes while no model is loaded.

"health" is the time until `/health` answers, "page" until the page in Chromium shows its dialogue and takes text,
"commands" until what its buttons ask for is obeyed, too: that needs Gradio, whose import takes longer than all the
rest. All of them count from the start of the process. "memory" is what the process holds once everything is there.

The first start over a data folder has no page kept from an earlier one, and so waits for Gradio before it shows one.
"""

from __future__ import annotations

import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser

from tests.bench import Bound, Measure, Setup, server
from tests.bench.browser import chromium

TITLE = "from the start of the process, without a model"
UNIT = {"health": "s", "page": "s", "commands": "s", "memory": "MB"}
REPETITIONS = 5
BOUNDS = (
    Bound("start: health", 3),
    Bound("start: page", 4),
    Bound("start: memory", 300),
    Bound("first start: health", 3),
)


@contextmanager
def subjects(_setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """See `tests.bench`."""
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        yield {
            "start": lambda _: _started(browser, folder / "used"),
            "first start": lambda seed: _started(browser, folder / f"new{seed}"),
        }


def _started(browser: Browser, folder: Path) -> Mapping[str, float]:
    began = time.perf_counter()
    url, process = server.begin(folder)
    page = browser.new_page(locale="en-US")
    try:
        server.wait(url)
        health = time.perf_counter() - began
        page.goto(url, wait_until="commit")
        page.wait_for_selector("#transcript[data-ready]")
        page.fill("#composer textarea", "tea")
        usable = time.perf_counter() - began
        urllib.request.urlopen(url + "/config", timeout=60).close()
        commands = time.perf_counter() - began
        memory = psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        page.close()
        process.terminate()
        process.wait(30)
    return {"health": health, "page": usable, "commands": commands, "memory": memory}
