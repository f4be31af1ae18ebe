"""Which requests are refused before any handler, and what the refusal says. Pure functions over values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from webui.hosts import Origin, read_origin

SAFE_METHODS = frozenset({"GET", "HEAD"})
_NO_LINKS = ("/gradio_api/", "/v1/", "/live/", "/metrics/")
"""Never a page: no other site has a reason to link here."""
_PUBLIC_PAGES = re.compile(r"/(people\.css|people\.js|health)")
_PUBLIC_FORMS = re.compile(r"/(sign-in|sign-out|join/[A-Za-z0-9_.-]{1,200})")
_PRINTABLE = re.compile(r"/[^\x00-\x20\x7f\\]*")

_SENTENCES: Mapping[str, tuple[str, str]] = {
    "foreign_host": (
        "Samovar is not known by this name. If it is yours, start Samovar with --allowed-host NAME.",
        "Samovar не знает такого имени. Если имя ваше, запустите Samovar с ключом --allowed-host ИМЯ.",
    ),
    "foreign_origin": (
        "Pages of another site may not talk to Samovar.",
        "Страницам других сайтов нельзя обращаться к Samovar.",
    ),
    "sign_in_required": ("Please sign in.", "Пожалуйста, войдите."),
    "invalid_api_key": ("This API key is not valid.", "Этот ключ API недействителен."),
    "body_too_large": (
        "This is too large: at most {limit} MB can be sent at once.",
        "Слишком много данных: за один раз можно отправить не больше {limit} МБ.",
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the rules read of a request: `own` is the origin that its `Host` names; a WebSocket has the method `GET`."""

    websocket: bool
    method: str
    path: str
    headers: Headers
    own: Origin

    @property
    def navigation(self) -> bool:
        """Whether a person's browser asks for a whole page."""
        if self.websocket or self.method not in SAFE_METHODS:
            return False
        mode = self.headers.get("sec-fetch-mode")
        return mode == "navigate" if mode else "text/html" in self.headers.get("accept", "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal by its HTTP status and code."""

    status: int
    code: str
    details: Mapping[str, object] = field(default_factory=dict)

    def response(self, headers: Headers) -> Response:
        """Say it: a sentence for a browser, `{"error": {"message", "type", "param", "code"}}` for a program."""
        russian = headers.get("accept-language", "").lower().startswith("ru")
        sentence = _SENTENCES[self.code][russian].format_map(self.details)
        more = {"connection": "close"} if self.status == 413 else {}
        if "text/html" in headers.get("accept", ""):
            return PlainTextResponse(sentence + "\n", self.status, more)
        kind = "authentication_error" if self.status == 401 else "invalid_request_error"
        said = {"message": sentence, "type": kind, "param": None, "code": self.code}
        return JSONResponse({"error": said}, self.status, more)


def is_public(asked: Asked) -> bool:
    """Whether a request is open to people who have not signed in.

    Every such path has a route of its own for each of these methods: what is left over goes to Gradio.
    """
    if asked.websocket:
        return False
    if _PUBLIC_FORMS.fullmatch(asked.path):
        return asked.method in ("GET", "HEAD", "POST")
    return asked.method in SAFE_METHODS and bool(_PUBLIC_PAGES.fullmatch(asked.path))


def cross_site(asked: Asked) -> Refusal | None:
    """Refuse what the page of another origin asks for, but for a plain link to one of our pages.

    A program that is not a browser sends neither `Origin` nor `Sec-Fetch-Site` and no cookie that it was not given.
    """
    origins = asked.headers.getlist("origin")
    foreign = Refusal(403, "foreign_origin")
    if origins:
        return None if len(origins) == 1 and read_origin(origins[0]) == asked.own else foreign
    if asked.websocket:
        return foreign
    if asked.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return None
    return None if _is_link(asked) else foreign


def _is_link(asked: Asked) -> bool:
    """Whether a person followed a link into a tab of its own; a frame, an image or a script is something else."""
    document = asked.headers.get("sec-fetch-dest", "document") == "document"
    return asked.navigation and document and not f"{asked.path}/".startswith(_NO_LINKS)


def local_path(text: str) -> str:
    """Return a path on this server to go on to, `/` for everything that might lead elsewhere.

    Browsers drop tabs and line ends inside a URL and read `\\` as `/`, so none of them may stand in it.
    """
    if not _PRINTABLE.fullmatch(text) or text.startswith("//") or len(text) > 2000:
        return "/"
    parts = urlsplit(text)
    elsewhere = parts.scheme or parts.netloc or parts.path.split("/")[1] in ("sign-in", "sign-out", "join")
    return "/" if elsewhere else text


def to_sign_in(path: str) -> Response:
    """Send a browser to the sign-in page, and from there back to `path`."""
    path = local_path(path)
    return RedirectResponse("/sign-in" if path == "/" else f"/sign-in?next={quote(path, safe='')}", 303)
