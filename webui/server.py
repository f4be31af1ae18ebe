"""The server: one ASGI application, with the guard around it and Gradio mounted last.

Gradio takes seconds to be imported. It comes in a thread, while everything else is served already; see `webui.ui.late`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import threading
import time
import webbrowser
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI, WebSocket
from starlette.types import ASGIApp

from webui.api.router import api_router
from webui.hosts import AllowedHosts
from webui.network import family_url
from webui.people import people_router
from webui.security import Guard, account_of
from webui.services import Services
from webui.surroundings import language
from webui.tunnel import TunnelFailed, open_tunnel
from webui.ui import i18n
from webui.ui.assets import Assets, GradioFiles
from webui.ui.commands import PageCommands
from webui.ui.feed import Feed
from webui.ui.frame import PAGE, THEME, Frame, page_head
from webui.ui.late import Late
from webui.ui.narrow import Narrow
from webui.ui.session import Session

log = logging.getLogger(__name__)


def make_app(services: Services, feed: Feed, hosts: AllowedHosts) -> ASGIApp:
    """Return the whole application. Gradio answers "/" and everything that is not named before it."""
    settings, accounts, assets = services.settings, services.accounts, Assets()
    frame = Frame(settings.data_dir / "cache", page_head(assets))
    late = Late(lambda: _page_app(services, feed, assets), frame.take, frame.give_up)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.live.bind(asyncio.get_running_loop())
        async with late.opened():
            yield
        await asyncio.to_thread(services.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/health", methods=["GET", "HEAD"])
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.websocket("/live")
    async def live(socket: WebSocket, page: str = "", lang: str = "en") -> None:
        await Session(services, feed, socket, account_of(socket), page, i18n.language(lang)).run()

    app.add_api_route(PAGE, frame.page, methods=["GET", "HEAD"], response_model=None)
    app.add_api_route(THEME, frame.theme, methods=["GET"], response_model=None)
    app.include_router(assets.router())
    app.mount("/assets", GradioFiles("assets", for_good=True))
    app.mount("/static", GradioFiles("static"))
    family = functools.partial(family_url, settings.address, settings.port)
    app.include_router(people_router(
        accounts, services.keys, sign_in=settings.sign_in, family_url=family, removed=services.jobs.stop_account,
    ))  # fmt: skip
    app.include_router(api_router(services.loader, services.meters))
    app.mount("/", Narrow(late))
    return Guard(
        app,
        hosts=hosts,
        accounts=accounts,
        require_sign_in=settings.sign_in,
        bearer=services.keys.account_of,
    )


def _page_app(services: Services, feed: Feed, assets: Assets) -> FastAPI:
    from webui.ui.page import page_app

    return page_app(PageCommands(services, feed), assets)


def make_server(services: Services, feed: Feed, hosts: AllowedHosts | None = None) -> uvicorn.Server:
    """Return the server, not yet running."""
    settings = services.settings
    hosts = hosts or AllowedHosts(settings.allowed_host, listening=settings.sign_in)
    config = uvicorn.Config(
        make_app(services, feed, hosts),
        host=settings.address,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        # A message of several megabytes is refused with a sentence, not by a closed socket.
        ws_max_size=32 * 1024 * 1024,
    )
    return uvicorn.Server(config)


def serve(services: Services, feed: Feed) -> int:
    """Serve until Ctrl-C; returns the exit code."""
    settings = services.settings
    hosts = AllowedHosts(settings.allowed_host, listening=settings.sign_in)
    server = make_server(services, feed, hosts)
    threading.Thread(target=_greet, args=(services, server, hosts), name="greeting", daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0


def _greet(services: Services, server: uvicorn.Server, hosts: AllowedHosts) -> None:
    """Once the server answers: say where it is, open the browser, open the tunnel."""
    settings = services.settings
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    spoken = language(os.environ)
    local = f"http://localhost:{settings.port}"
    print(i18n.text("console.ready", spoken, url=local), flush=True)
    if family := family_url(settings.address, settings.port):
        print(i18n.text("console.family", spoken, url=family), flush=True)
    if not settings.no_browser:
        webbrowser.open(local)
    if settings.share:
        from gradio import networking

        try:
            url = open_tunnel(networking.setup_tunnel, settings.port, hosts)
            print(i18n.text("console.share", spoken, url=url), flush=True)
        except TunnelFailed as error:
            print(i18n.error(error.code, error.details, spoken), flush=True)
