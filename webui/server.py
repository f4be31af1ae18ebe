"""The server: one ASGI application, with the guard around it and Gradio mounted last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import webbrowser
from collections.abc import AsyncIterator

import gradio
import uvicorn
from fastapi import FastAPI, WebSocket
from starlette.types import ASGIApp

from webui.accounts import Accounts
from webui.hosts import AllowedHosts
from webui.security import Guard, account_of
from webui.services import Services
from webui.settings import Settings
from webui.tunnel import TunnelFailed, open_tunnel
from webui.ui import assets, i18n
from webui.ui.commands import PageCommands
from webui.ui.feed import Feed
from webui.ui.page import build_page, page_options
from webui.ui.session import Session

log = logging.getLogger(__name__)


def make_app(services: Services, feed: Feed, accounts: Accounts, hosts: AllowedHosts) -> ASGIApp:
    """Return the whole application. Gradio answers "/" and everything that is not named before it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.live.bind(asyncio.get_running_loop())
        yield
        await asyncio.to_thread(services.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.websocket("/live")
    async def live(socket: WebSocket, page: str = "", lang: str = "en") -> None:
        account = account_of(socket)
        await Session(services, feed, socket, account.id, page, i18n.language(lang)).run()

    app.include_router(assets.router())
    blocks = build_page(PageCommands(services, feed))
    gradio.mount_gradio_app(app, blocks, path="/", **page_options())
    return Guard(app, hosts=hosts, accounts=accounts, require_sign_in=services.settings.sign_in)
