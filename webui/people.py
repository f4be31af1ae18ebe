"""The routes of the plain pages: signing in and out, accepting an invitation, the people of the house and their keys.

Forms are plain HTML. What keeps other sites from sending them is the guard: `Origin` must be ours, and the session
cookie is SameSite=Strict. Handlers are plain functions, so they run on worker threads, where hashing may take its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from markupsafe import Markup
from starlette.responses import FileResponse, RedirectResponse

from backends.errors import InvalidRequest, SamovarError
from webui.accounts import SESSION_COOKIE, SESSION_SECONDS, Accounts
from webui.credentials import SHORTEST_PASSWORD
from webui.errors import InvitationInvalid, NotFound, TooManyAttempts
from webui.hosts import is_loopback
from webui.keys import ApiKeys
from webui.network import qr_svg
from webui.pages.render import PAGES, Pages, explain, reader_language
from webui.pages.words import say
from webui.refusals import local_path
from webui.security import account_of

Text = Annotated[str, Form()]
Id = Annotated[int, Form(ge=0, lt=2**63)]
_FRESH: Mapping[str, str] = {"cache-control": "no-cache"}
_DONE = ("password", "removed", "revoked")


def people_router(
    accounts: Accounts, keys: ApiKeys, *, sign_in: bool, family_url: Callable[[], str | None],
    removed: Callable[[int], None] = lambda _: None,
) -> APIRouter:  # fmt: skip
    """Return the routes. `family_url` is where guests find this server, None while they cannot; `removed` is told of
    an account that is gone.

    `/sign-in`, `/sign-out` and `/join/…` are open to everybody (see `refusals.is_public`), the rest asks who it is.
    """
    desk = _Desk(accounts, keys, Pages(), sign_in, family_url, removed)
    router = APIRouter(include_in_schema=False)
    read, write = ["GET", "HEAD"], ["POST"]
    for path, handler, methods in (
        ("/sign-in", desk.sign_in_page, read),
        ("/sign-in", desk.sign_in_form, write),
        ("/sign-out", desk.home, read),
        ("/sign-out", desk.sign_out_form, write),
        ("/join/{token}", desk.join_page, read),
        ("/join/{token}", desk.join_form, write),
        ("/people", desk.people_page, read),
        ("/people/invite", desk.people_page_again, read),
        ("/people/invite", desk.invite_form, write),
        ("/people/remove", desk.people_page_again, read),
        ("/people/remove", desk.remove_form, write),
        ("/people/password", desk.people_page_again, read),
        ("/people/password", desk.password_form, write),
        ("/people/keys", desk.people_page_again, read),
        ("/people/keys", desk.key_form, write),
        ("/people/keys/revoke", desk.people_page_again, read),
        ("/people/keys/revoke", desk.revoke_form, write),
        ("/people.css", desk.style, read),
        ("/people.js", desk.script, read),
    ):
        router.add_api_route(path, handler, methods=methods)
    return router


class _Desk:
    """The handlers."""

    def __init__(
        self, accounts: Accounts, keys: ApiKeys, pages: Pages, sign_in: bool, family_url: Callable[[], str | None],
        removed: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._accounts, self._keys, self._pages = accounts, keys, pages
        self._sign_in, self._family_url, self._removed = sign_in, family_url, removed

    def home(self) -> Response:
        return _go("/")

    def style(self) -> Response:
        return FileResponse(PAGES / "people.css", headers=_FRESH)

    def script(self) -> Response:
        return FileResponse(PAGES / "people.js", headers=_FRESH)

    def sign_in_page(self, request: Request, next: str = "/") -> Response:
        if _signed_in(request):
            return _go(local_path(next))
        return self._pages.page(request, "sign_in", next=local_path(next), name="", error="")

    def sign_in_form(self, request: Request, name: Text = "", password: Text = "", next: Text = "/") -> Response:
        try:
            token = self._accounts.sign_in(name, password, _address(request))
        except SamovarError as error:
            return self._refused(request, error, "sign_in", next=local_path(next), name=name[:100])
        return _with_session(_go(local_path(next)), request, token)

    def sign_out_form(self, request: Request) -> Response:
        self._accounts.sign_out(request.cookies.get(SESSION_COOKIE, ""))
        answer = _go("/sign-in")
        answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def join_page(self, request: Request, token: str) -> Response:
        is_open = self._accounts.invitation_is_open(token)
        status = 200 if is_open else 410
        return self._pages.page(
            request, "join", status=status, open=is_open, name="", error="", least=SHORTEST_PASSWORD
        )

    def join_form(self, request: Request, token: str, name: Text = "", password: Text = "") -> Response:
        try:
            session = self._accounts.accept(token, name, password)
        except InvitationInvalid:
            return self.join_page(request, token)
        except SamovarError as error:
            return self._refused(request, error, "join", open=True, name=name[:100], least=SHORTEST_PASSWORD)
        return _with_session(_go("/"), request, session)

    def people_page(self, request: Request, done: str = "") -> Response:
        language = reader_language(request)
        return self._people(request, done=say(language, f"done_{done}") if done in _DONE else "")

    def people_page_again(self) -> Response:
        """Answer who reloads, or comes back to, the address of a form."""
        return _go("/people")

    def invite_form(self, request: Request) -> Response:
        """Make an invitation; its link is on the answer and nowhere else, as only the token's digest is kept."""
        try:
            invitation = self._accounts.invite(account_of(request))
        except SamovarError as error:
            return self._refused_people(request, error)
        url = f"{self._base(request)}/join/{invitation.token}"
        language = reader_language(request)
        return self._people(
            request,
            invitation=url,
            qr=Markup(qr_svg(url, say(language, "invite_link"))),
            local=is_loopback(urlsplit(url).hostname or ""),
        )

    def remove_form(self, request: Request, account: Id = 0) -> Response:
        try:
            self._accounts.remove(account_of(request), account)
        except SamovarError as error:
            return self._refused_people(request, error)
        self._removed(account)
        return _go("/people?done=removed")

    def password_form(self, request: Request, old: Text = "", new: Text = "") -> Response:
        if not self._sign_in:
            return _go("/people")
        try:
            token = self._accounts.set_password(account_of(request), old, new, _address(request))
        except SamovarError as error:
            return self._refused_people(request, error)
        return _with_session(_go("/people?done=password"), request, token)

    def key_form(self, request: Request, label: Text = "") -> Response:
        """Make a key for programs; it is on the answer and nowhere else, as only its digest is kept."""
        if not self._sign_in:
            return _go("/people")
        try:
            key = self._keys.make(account_of(request).id, label)
        except SamovarError as error:
            return self._people(request, _status(error), key_error=explain(error, reader_language(request)))
        return self._people(request, key=key)

    def revoke_form(self, request: Request, key: Id = 0) -> Response:
        try:
            self._keys.revoke(account_of(request).id, key)
        except SamovarError as error:
            return self._people(request, _status(error), key_error=explain(error, reader_language(request)))
        return _go("/people?done=revoked")

    def _people(self, request: Request, status: int = 200, **values: object) -> Response:
        me = account_of(request)
        everyone = self._accounts.everyone() if me.owner else [me]
        shown = {"done": "", "error": "", "key_error": "", "key": "", "invitation": "", "qr": "", "local": False}
        title = say(reader_language(request), "people" if me.owner else "account")
        return self._pages.page(
            request, "people", status=status, title=title, me=me, people=everyone, sign_in=self._sign_in,
            least=SHORTEST_PASSWORD, keys=self._shown_keys(me.id), **{**shown, **values},
        )  # fmt: skip

    def _shown_keys(self, account: int) -> list[tuple[int, str, str, str]]:
        """Return an account's keys as (id, label, how it ends, the day it was made)."""
        return [(key.id, key.label, key.hint, str(date.fromtimestamp(key.created))) for key in self._keys.of(account)]

    def _refused(self, request: Request, error: SamovarError, page: str, **values: object) -> Response:
        sentence = explain(error, reader_language(request))
        return _slowed(self._pages.page(request, page, status=_status(error), error=sentence, **values), error)

    def _refused_people(self, request: Request, error: SamovarError) -> Response:
        answer = self._people(request, _status(error), error=explain(error, reader_language(request)))
        return _slowed(answer, error)

    def _base(self, request: Request) -> str:
        """Return the address for guests: the one that the owner came by, unless only this machine can."""
        own = f"{request.url.scheme}://{request.url.netloc}"
        return own if not is_loopback(request.url.hostname or "") else self._family_url() or own


def _go(path: str) -> Response:
    return RedirectResponse(path, 303)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _signed_in(request: Request) -> bool:
    return request.scope.get("state", {}).get("account") is not None


def _with_session(answer: Response, request: Request, token: str) -> Response:
    secure = request.url.scheme == "https"
    answer.set_cookie(
        SESSION_COOKIE, token, max_age=SESSION_SECONDS, path="/", httponly=True, samesite="strict", secure=secure
    )
    return answer


def _status(error: SamovarError) -> int:
    if isinstance(error, TooManyAttempts):
        return 429
    if isinstance(error, NotFound):
        return 404
    return 400 if isinstance(error, InvalidRequest) else 503


def _slowed(answer: Response, error: SamovarError) -> Response:
    if isinstance(error, TooManyAttempts):
        answer.headers["retry-after"] = str(error.details["seconds"])
    return answer
