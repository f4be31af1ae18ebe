"""`--share`: a public address through Gradio's tunnel. Its helper program is fetched by Gradio at the first use."""

from __future__ import annotations

import logging
import secrets
from typing import Protocol
from urllib.parse import urlsplit

from backends.errors import SamovarError
from webui.hosts import AllowedHosts

log = logging.getLogger(__name__)


class SetupTunnel(Protocol):
    """`gradio.networking.setup_tunnel`; passed in, because only `webui.server` may import Gradio."""

    def __call__(
        self,
        local_host: str,
        local_port: int,
        share_token: str,
        share_server_address: str | None,
        share_server_tls_certificate: str | None,
    ) -> str:
        """Open the tunnel and return its URL."""


class TunnelFailed(SamovarError):
    """The public address could not be had; the server goes on without it. Details: reason."""

    message = "The public address could not be made: {reason}. The server is still reachable at home."


def open_tunnel(setup: SetupTunnel, port: int, hosts: AllowedHosts) -> str:
    """Open the tunnel to `port` on the loopback address, allow its name and return its https URL.

    Takes up to a minute and blocks: call it from a thread of its own once the server answers. The tunnel closes with
    the process. Raises `TunnelFailed`.
    """
    try:
        url = setup("127.0.0.1", port, secrets.token_urlsafe(32), None, None)
    except Exception as error:
        # Gradio raises whatever comes: httpx, OSError, ValueError with frpc's log. The reader needs one sentence.
        log.info("the tunnel failed", exc_info=error)
        raise TunnelFailed(reason=_reason(error)) from error
    host = urlsplit(url).hostname
    if host is None:
        raise TunnelFailed(reason=f"the tunnel gave no address but {url!r}")
    public = f"https://{host}"
    hosts.add(public)
    return public


def _reason(error: BaseException) -> str:
    """Return the first line of the innermost cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
