"""The real server in a thread of the test, with a scripted model; and what a person does on its page."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Locator, Page

from backends.base import Backend
from backends.scripted import Script, ScriptedBackend
from webui.choice import ModelChoice
from webui.history.store import History
from webui.live import Live
from webui.loader import Stage
from webui.server import make_server
from webui.services import open_services
from webui.settings import Settings
from webui.ui.feed import Feed
from webui.ui.page import page_app  # noqa: F401  (Gradio is imported while tests are collected, not within one)
from webui.ui.views import Views


class Site:
    """A server on a free port. `backend` is its scripted model."""

    def __init__(
        self, folder: Path, script: Script | None = None, *, backend: ScriptedBackend | None = None, **settings: Any
    ) -> None:
        self.backend = backend or ScriptedBackend(script)
        self.settings = Settings(data_dir=folder, port=0, no_browser=True, **settings)
        folder.mkdir(parents=True, exist_ok=True)
        history = History(self.settings.database)
        live = Live()
        feed = Feed(history, live, Views())
        self.services = open_services(self.settings, history, live, feed, self._open)
        if self.settings.sign_in:
            self.services.accounts.prepare_owner("Anna", self.settings.password)
        self.services.loader.switch(ModelChoice("scripted"))
        self._server: uvicorn.Server = make_server(self.services, feed)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _open(self, choice: ModelChoice, progress: Callable[[Stage, float], bool]) -> Backend:
        return self.backend

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive(), "the server did not end"


class Chat:
    """A person at the page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        page.wait_for_selector("#transcript[data-ready]")

    @property
    def articles(self) -> Locator:
        return self.page.locator("#transcript article")

    @property
    def box(self) -> Locator:
        return self.page.locator("#composer textarea")

    def texts(self) -> list[str]:
        """The text of every message; that of messages off the screen too."""
        return [text.strip() for text in self.page.locator("#transcript article .body").all_text_contents()]

    def type(self, text: str) -> None:
        self.box.fill(text)

    def say(self, text: str) -> None:
        """Send a message and wait for the whole reply."""
        before = self.articles.count()
        self.type(text)
        self.page.click("#send")
        self.page.wait_for_function("n => document.querySelectorAll('#transcript article').length >= n", arg=before + 2)
        self.idle()

    def idle(self) -> None:
        self.page.wait_for_selector("#transcript:not([data-busy])")

    def busy(self) -> None:
        self.page.wait_for_selector("#transcript[data-busy]")

    def act(self, index: int, act: str) -> None:
        """Press a button of a message; a negative index counts from the end."""
        count = self.articles.count()
        article = self.articles.nth(index if index >= 0 else count + index)
        article.scroll_into_view_if_needed()
        article.hover()
        article.locator(f'button[data-act="{act}"]').click()

    def until(self, true: Callable[[], bool], seconds: float = 5) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"it never came true; the page shows {self.texts()}"
            self.page.wait_for_timeout(20)

    def levers(self) -> None:
        """Open the panel with the levers."""
        if not self.page.locator("#knob-temperature").is_visible():
            self.page.click("#levers-toggle")
        self.page.wait_for_selector("#knob-temperature", state="visible")


def start(folder: Path, *flags: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a real server process with a scripted model; returns it and its address."""
    port = free_port()
    command = [sys.executable, "-m", "webui", "--data-dir", str(folder), "--port", str(port), "--no-browser", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url + "/health", timeout=1).close()
            return process, url
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
