"""What the page needs of Gradio's own routes. The rest is not there: nobody uses it, and every door can be forced.

Left out are uploads, files by their path, URLs that the server would fetch, temporary links, the programs' interface.
"""

from __future__ import annotations

import re

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_USED = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?|/(static|assets)/.*"
    r"|/gradio_api/(run/predict|queue/join|queue/data|heartbeat/\w+|startup-events)/?"
)


class Narrow:
    """Wraps Gradio's application and lets through what the page asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, or answer that there is no such thing."""
        if scope["type"] == "http" and not _USED.fullmatch(scope["path"]):
            await PlainTextResponse("Not found\n", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
