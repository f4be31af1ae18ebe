"""Renders the plain pages: the reader's language and theme, the sentence for an error, the headers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import get_args
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from backends.errors import SamovarError
from webui.headers import PLAIN_PAGE_POLICY
from webui.pages.words import WORDS, Language, say

LANGUAGE_COOKIE, THEME_COOKIE = "samovar_language", "samovar_theme"
PAGES = Path(__file__).parent

_THEMES = ("light", "dark")
_YEAR = 365 * 24 * 3600


def reader_language(request: Request) -> Language:
    """Return the language that was picked (`?lang=`, then the cookie), else the first one the browser asks for."""
    for picked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        for language in get_args(Language):
            if picked == language:
                return language  # type: ignore[no-any-return]
    asked = (part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(","))
    return "ru" if next((code for code in asked if code in ("en", "ru")), "en") == "ru" else "en"


def explain(error: SamovarError, language: Language) -> str:
    """Return what a page says of an error, in the reader's language."""
    reason = f"{error.code}_{error.details.get('reason')}"
    key = next((key for key in (reason, error.code) if key in WORDS), "trouble")
    return say(language, key, **error.details)


class Pages:
    """The templates, read once."""

    def __init__(self) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(PAGES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, request: Request, template: str, /, *, status: int = 200, **values: object) -> Response:
        """Return the page of a template; `t(key, …)` inside it is a sentence of `words`."""
        language = reader_language(request)
        theme = request.cookies.get(THEME_COOKIE, "")
        html = self._templates.get_template(f"{template}.html").render(
            values,
            language=language,
            theme=theme if theme in _THEMES else "auto",
            t=partial(say, language),
            query_with_language=partial(_query_with_language, request),
        )
        headers = {"content-security-policy": PLAIN_PAGE_POLICY, "vary": "accept-language, cookie"}
        response = HTMLResponse(html, status, headers)
        if request.query_params.get("lang") == language:
            response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR, samesite="lax")
        return response


def _query_with_language(request: Request, language: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    return urlencode([*kept, ("lang", language)])
