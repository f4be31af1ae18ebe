import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from backends.scripted import Script
from tests.e2e.site import Chat, Site

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker("browser")
    # Once the browser's driver runs, this thread has a running event loop, and `asyncio.run` refuses to work in it.
    items.sort(key=lambda item: "e2e" in item.path.parts)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = os.environ.get("SAMOVAR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    opened: list[Site] = []

    def open_site(script: Script | None = None, **settings: Any) -> Site:
        opened.append(Site(tmp_path / f"data{len(opened)}", script, **settings))
        return opened[-1]

    yield open_site
    for site in opened:
        site.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Chat]]:
    """Open the page as a new visitor; a console error or an uncaught exception fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(url: str, context: BrowserContext | None = None, **options: Any) -> Chat:
        if context is None:
            options = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}, **options}
            context = browser.new_context(**options)
            contexts.append(context)
        return Chat(listen(context.new_page(), complaints), url)

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def listen(page: Page, complaints: list[str]) -> Page:
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    return page
