"""The HTML around the page, and its theme: Gradio's own, with our head in it from the first byte.

Gradio takes seconds to be imported, and then makes the same HTML as at the last start. So what it made is kept in a
file, and the page is there before Gradio is. Nothing of a person's is in it; the file's name is a digest of what it was
made of, so that another version makes its own.

Gradio would hand a `head` to its scripts, which put it in after a second: too late for colours, language, style sheet.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import httpx
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from webui.pages.render import LANGUAGE_COOKIE, THEME_COOKIE
from webui.ui.assets import Assets
from webui.ui.late import unless_ended

PAGE, THEME = "/", "/theme.css"

# Gradio writes the address of the server into the page: this stands for it until a browser asks.
_ORIGIN = "http://samovar.invalid"

_HEAD = """
<meta name="color-scheme" content="light dark">
<script>(() => {
  const kept = (name) => (document.cookie.match("(?:^|; )" + name + "=([a-z]+)") || [])[1];
  const root = document.documentElement;
  root.dataset.theme = kept("THEME_COOKIE") || "auto";
  root.dataset.language = kept("LANGUAGE_COOKIE") || ((navigator.languages || [navigator.language])
    .map((tag) => tag.slice(0, 2)).find((tag) => tag === "en" || tag === "ru") || "en");
  // Gradio's loading sign counts every frame, and goes on when it has long left the page: 8 % of a core. Once the page
  // is there, what asks for another frame in each frame is called once a second instead, all at the same time, and
  // nothing is drawn for it.
  const frame = window.requestAnimationFrame.bind(window);
  let calling = false;
  const call = (callback) => {
    calling = true;
    try { callback(performance.now()); } finally { calling = false; }
  };
  window.requestAnimationFrame = (callback) => calling && root.dataset.usable
    ? setTimeout(call, 1500 - (performance.now() + 500) % 1000, callback) : frame(() => call(callback));
})()</script>
<link rel="stylesheet" href="BASE/style.css">
"""

log = logging.getLogger(__name__)


def page_head(assets: Assets) -> str:
    """Return what must be there before Gradio's scripts are: theme and language, the style sheet, our own scripts."""
    head = _HEAD.replace("THEME_COOKIE", THEME_COOKIE).replace("LANGUAGE_COOKIE", LANGUAGE_COOKIE)
    scripts = "".join(f'<link rel="modulepreload" href="BASE/{name}">\n' for name in assets.scripts)
    return (head + scripts).replace("BASE", assets.base)


class Frame:
    """Answers for "/" and the theme: with what was kept, else as soon as `take` was called."""

    def __init__(self, folder: Path, head: str) -> None:
        self._head = head
        source = Path(__file__).with_name("page.py").read_bytes()
        digest = hashlib.sha256(b"\0".join((version("gradio").encode(), head.encode(), source)))
        self._file = folder / f"page-{digest.hexdigest()[:16]}.json"
        self._kept = _read(self._file)
        self._there = asyncio.Event()
        if self._kept:
            self._there.set()

    async def page(self, request: Request) -> Response:
        """Return the page's HTML for the address by which the browser came."""
        await self._wait()
        own = f"{request.url.scheme}://{request.url.netloc}"
        return HTMLResponse(self._kept[PAGE].replace(_ORIGIN, own))

    async def theme(self) -> Response:
        """Return the style sheet of Gradio's theme."""
        await self._wait()
        return Response(self._kept[THEME], media_type="text/css")

    def give_up(self) -> None:
        """Let nobody wait any longer: there is no Gradio."""
        self._there.set()

    async def _wait(self) -> None:
        await unless_ended(self._there.wait())
        if not self._kept:
            raise HTTPException(500)

    async def take(self, gradio: ASGIApp) -> None:
        """Ask Gradio for its page and theme, and keep them for now and for the next start."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gradio), base_url=_ORIGIN) as client:
            fresh = {name: (await client.get(name)).raise_for_status().text for name in (PAGE, THEME)}
        fresh[PAGE] = fresh[PAGE].replace("<head>", "<head>" + self._head, 1)
        if fresh != self._kept:
            self._kept = fresh
            await asyncio.to_thread(_write, self._file, fresh)
        self._there.set()


def _read(file: Path) -> Mapping[str, str]:
    """Return what was kept; nothing if there is none, or if it is broken."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and all(isinstance(found.get(name), str) for name in (PAGE, THEME))
    return {name: found[name] for name in (PAGE, THEME)} if whole else {}


def _write(file: Path, kept: Mapping[str, str]) -> None:
    """Keep it in place of what older versions kept. That it cannot be kept harms nobody: the next start is slower."""
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(kept), encoding="utf-8")
        fresh.replace(file)
        for other in set(file.parent.glob("page-*")) - {file}:
            other.unlink(missing_ok=True)
    except OSError as error:
        log.warning("the page cannot be kept for the next start: %s", error)
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
