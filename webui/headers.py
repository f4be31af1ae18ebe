"""The security headers of every response, and the one of them that depends on the page: its content policy.

What the page of Gradio 6.31 needs, found by taking away until it broke in Chromium: `unsafe-eval` (templates and
`js_on_load` are made with `new Function`) and inline styles. Its inline scripts are part of the HTML that the server
sends, so they are named by their hashes; a script that somehow gets into a message runs under no circumstances.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping

from webui.hosts import Origin

_SCRIPT = re.compile(rb"<script\b([^>]*)>(.*?)</script", re.IGNORECASE | re.DOTALL)
_SOURCE = re.compile(rb"\bsrc\s*=", re.IGNORECASE)

FIXED: Mapping[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    # Not `no-referrer`: under it browsers send `Origin: null` with a form, even to our own pages.
    b"referrer-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), payment=(), usb=()",
}
PLAIN_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""For pages of our own that have no inline script or style."""


def app_policy(own: Origin, script_hashes: Iterable[str] = ()) -> str:
    """Return the content policy of Gradio's pages as they are reached under `own`."""
    scripts = " ".join(f"'sha256-{digest}'" for digest in script_hashes)
    rules = {
        "default-src": "'self'",
        "script-src": f"'self' 'unsafe-eval' {scripts}".rstrip(),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        # 'self' covers WebSockets in CSP 3; older Safari needs them by name.
        "connect-src": f"'self' {'wss' if own.scheme == 'https' else 'ws'}://{own.netloc}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def script_hashes(html: bytes) -> list[str]:
    """Return the SHA-256, in base64, of every inline script of a page that this server made."""
    bodies = (body for attributes, body in _SCRIPT.findall(html) if not _SOURCE.search(attributes))
    # The browser's parser turns every line end into \n before it hashes.
    unified = (body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for body in bodies)
    return [base64.b64encode(hashlib.sha256(body).digest()).decode() for body in unified]


def secured(headers: Iterable[tuple[bytes, bytes]], policy: str, *, private: bool) -> list[tuple[bytes, bytes]]:
    """Return response headers with ours added and those that invite other origins taken out.

    A policy that the route chose itself stays. `private` responses are kept by no cache, unless the route says more.
    """
    kept = [(name, value) for name, value in headers if not name.lower().startswith(b"access-control-")]
    present = {name.lower() for name, _ in kept}
    ours = {**FIXED, b"content-security-policy": policy.encode()}
    if private:
        ours[b"cache-control"] = b"no-store"
    return kept + [(name, value) for name, value in ours.items() if name not in present]
