"""With `--listen`: strangers get nothing, passwords cannot be guessed, and a session ends when it should."""

import asyncio
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.webui.security.town import NAVIGATION, PASSWORD, UPGRADE, Answer, Live, Town, Visitor, signed_in
from webui.accounts import SESSION_COOKIE, SESSION_SECONDS, Accounts
from webui.attempts import Attempts
from webui.credentials import Tokens

PUBLIC = {
    *((path, method) for path in ("/sign-in", "/sign-out", "/join/x") for method in ("GET", "HEAD", "POST")),
    *((path, method) for path in ("/people.css", "/people.js", "/health") for method in ("GET", "HEAD")),
}


class Clock:
    """Both clocks of the accounts, moved by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(town: Town, monkeypatch: pytest.MonkeyPatch) -> Clock:
    accounts = town.services.accounts
    clock = Clock(accounts._clock())
    monkeypatch.setattr(accounts, "_clock", clock)
    monkeypatch.setattr(accounts, "_monotonic", clock)
    monkeypatch.setattr(accounts, "_attempts", Attempts(clock))
    monkeypatch.setattr(accounts, "_remembered", type(accounts._remembered)())
    return clock


def routes(place: Any) -> Iterator[tuple[str, str]]:
    """Walk through everything that the application answers, Gradio's part too."""
    for inner in ("original_router", "app", "_app"):
        found = getattr(place, inner, None)
        yield from routes(found.result() if isinstance(found, asyncio.Future) else found) if found else ()
    for route in getattr(place, "routes", None) or ():
        path = getattr(route, "path", "")
        filled = "/".join("x" if "{" in part else part for part in path.split("/")) or "/"
        for method in getattr(route, "methods", None) or ():
            yield filled, method
        if hasattr(route, "original_router") or not getattr(route, "methods", None):
            yield from ((path + inside if inside != "/" else path or "/", method) for inside, method in routes(route))


def test_every_route_refuses_a_stranger(town: Town) -> None:
    asked = {(path, method) for path, method in routes(town.guard._app) if "{" not in path}
    assert len(asked) > 80 and {("/", "GET"), ("/gradio_api/queue/join", "POST"), ("/v1/models", "GET")} <= asked
    asked |= {(path, method) for path, _ in PUBLIC for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")}
    asked |= {(path, "GET") for path in ("/nothing", "/v1", "/join/", "/join/x/y", "/sign-in/", "/health/", "//health")}
    for path, method in sorted(asked):
        answer = town.ask(path, method)
        if (path, method) in PUBLIC:
            assert answer.status in (200, 303, 400, 410), (path, method, answer.status)
        else:
            assert answer.status == 401, (path, method, answer.status)
            assert method == "HEAD" or answer.code == "sign_in_required"


def test_a_browser_is_sent_to_the_sign_in_page_and_back(town: Town) -> None:
    answer = town.ask("/people?done=x&y=%D1%91", headers=NAVIGATION)
    assert answer.status == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fpeople%3Fdone%3Dx%26y%3D%25D1%2591"
    back = town.post("/sign-in", {"name": "anna", "password": PASSWORD, "next": "/people?done=x"})
    assert back.headers["location"] == "/people?done=x"


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/\tevil", "/\n/evil.example",
     "javascript:alert(1)", "evil.example", "", "/sign-out", "/join/x", "/sign-in", "///evil.example",
     "/x\r\nset-cookie: a=b", "/" + "x" * 3000],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(town: Town, path: str) -> None:
    back = town.post("/sign-in", {"name": "Anna", "password": PASSWORD, "next": path})
    assert back.status == 303 and back.headers["location"] == "/"


def test_wrong_passwords_are_limited_by_name(town: Town, clock: Clock) -> None:
    tries = [town.post("/sign-in", {"name": "Anna", "password": f"guess {each}"}) for each in range(7)]
    assert [each.status for each in tries] == [400] * 5 + [429] * 2
    assert tries[0].text == tries[4].text and int(tries[5].headers["retry-after"]) >= 1
    # The right one waits as well, or the wait would say that it was right.
    assert town.post("/sign-in", {"name": "ＡＮＮＡ", "password": PASSWORD}).status == 429
    clock.now += 1
    assert town.post("/sign-in", {"name": "Anna", "password": PASSWORD}).status == 303
    assert town.post("/sign-in", {"name": "Anna", "password": "wrong again"}).status == 400, "the count began anew"


def test_wrong_passwords_are_limited_by_address(town: Town, boris: Visitor, clock: Clock) -> None:
    for each in range(9):
        assert town.post("/sign-in", {"name": f"name {each}", "password": "guess"}).status == 400
    # A guest who signs in between the guesses clears nothing but that one attempt.
    assert town.post("/sign-in", {"name": "борис", "password": PASSWORD}).status == 303
    assert town.post("/sign-in", {"name": "name 10", "password": "guess"}).status == 400
    assert town.post("/sign-in", {"name": "Anna", "password": PASSWORD}).status == 429
    assert boris.ask("/people").status == 200, "who is signed in is not slowed"


def test_the_old_password_cannot_be_guessed_from_inside(town: Town, boris: Visitor, clock: Clock) -> None:
    tries = [boris.post("/people/password", {"old": f"guess {each}", "new": "long enough"}).status for each in range(7)]
    assert tries == [400] * 5 + [429] * 2


def test_an_unknown_name_and_a_wrong_password_look_the_same(town: Town, clock: Clock) -> None:
    wrong = town.post("/sign-in", {"name": "Anna", "password": "guess"})
    unknown = town.post("/sign-in", {"name": "Xnna", "password": "guess"})
    assert (wrong.status, wrong.text) == (unknown.status, unknown.text.replace("Xnna", "Anna"))


def test_monstrous_credentials_are_only_wrong(town: Town, clock: Clock) -> None:
    for name, password in (("x" * 2_000_000, "y" * 2_000_000), ("\0", "\0"), ("", ""), ("Anna", PASSWORD + "\0")):
        assert town.post("/sign-in", {"name": name, "password": password}).status == 400
    kept = town.services.accounts._attempts._records
    assert max(len(repr(key)) for key in kept) < 500, "what is kept of a name is short"


def morsel(answer: Answer) -> Any:
    return SimpleCookie(answer.headers["set-cookie"])[SESSION_COOKIE]


def test_the_cookie(town: Town) -> None:
    plain = morsel(town.post("/sign-in", {"name": "Anna", "password": PASSWORD}))
    assert plain["httponly"] and plain["samesite"].lower() == "strict" and plain["path"] == "/"
    assert int(plain["max-age"]) == SESSION_SECONDS and not plain["secure"] and not plain["domain"]
    town.guard._hosts.add("https://secure.example")
    own = {"host": "secure.example", "origin": "https://secure.example"}
    assert morsel(town.post("/sign-in", {"name": "Anna", "password": PASSWORD}, own))["secure"]


def test_only_our_own_cookies_count(town: Town, anna: Visitor) -> None:
    secret, _, signature = anna.token.partition(".")
    forged = Tokens(b"x" * 32).make("session")[0]
    unknown = town.services.accounts._tokens.make("session")[0]
    invitation = town.invitation().rpartition("/")[2]
    for token in ("", "x", secret, f"{secret}.", f"{secret}.{'0' * len(signature)}", f"{secret}x.{signature}", forged,
                  unknown, invitation, f"{secret}.ё", f".{signature}"):  # fmt: skip
        refused = Visitor(town, token.encode().decode("latin-1")).ask("/people")
        assert (refused.status, refused.code) == (401, "sign_in_required"), token
    assert anna.ask("/people").status == 200


def test_a_session_has_an_end(town: Town, anna: Visitor, clock: Clock) -> None:
    late = town.owner()
    clock.now += SESSION_SECONDS - 60
    assert late.ask("/people").status == 200
    clock.now += 120
    assert late.ask("/people").status == 401


def test_sign_out_ends_the_session_and_no_other(town: Town) -> None:
    here, there = town.owner(), town.owner()
    assert here.ask("/people").status == there.ask("/people").status == 200
    answer = here.post("/sign-out", {})
    assert answer.status == 303 and answer.headers["location"] == "/sign-in"
    gone = morsel(answer)
    assert gone.value == "" and gone["max-age"] == "0" and gone["httponly"]
    assert here.ask("/people").status == 401 and there.ask("/people").status == 200


def test_an_open_page_ends_with_its_session(town: Town) -> None:
    here, there = town.owner(), town.owner()
    with here.live("a") as mine, there.live("b") as other:
        for live in (mine, other):
            live.send(watch=None)
            live.until("hello")
        here.post("/sign-out", {})
        # Nothing is asked and nothing happens, and still it ends.
        assert mine.end() == 4401
        other.send(search="x")
        other.until("found")


@pytest.mark.parametrize("said", ['{"search": "x"}', '{"typing": "x"}', '{"watch": null}'])
def test_a_page_that_speaks_after_its_session_hears_nothing(
    town: Town, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accounts, "_forget", lambda _: None)
    here = town.owner()
    with here.live() as live:
        live.send(watch=None)
        live.until("hello")
        town.services.accounts.sign_out(here.token)
        town.services.accounts._remembered.clear()
        live.socket.send(said)
        assert live.end() == 4401


def test_without_a_session_the_channel_closes_with_our_code(town: Town) -> None:
    own = f"127.0.0.1:{town.port}"
    for cookie in ({}, {"cookie": f"{SESSION_COOKIE}=made.up"}):
        with connect(
            f"ws://{own}/live", origin=Origin(f"http://{own}"), additional_headers=cookie, proxy=None
        ) as socket:
            assert Live(socket).end() == 4401
    assert town.ask("/live", headers=UPGRADE).status == 403, "without an origin it is not even accepted"


def test_a_new_password_ends_all_sessions(town: Town) -> None:
    first = town.guest("Vera")
    second = Visitor(town, signed_in(town.post("/sign-in", {"name": "Vera", "password": PASSWORD})))
    with second.live() as live:
        live.send(watch=None)
        live.until("hello")
        changed = first.post("/people/password", {"old": PASSWORD, "new": "another good one"})
        assert live.end() == 4401
    fresh = Visitor(town, signed_in(changed))
    assert [each.ask("/people").status for each in (first, second, fresh)] == [401, 401, 200]
    assert town.post("/sign-in", {"name": "Vera", "password": PASSWORD}).status == 400


def test_keys_open_what_is_for_programs_and_nothing_else(town: Town, boris: Visitor) -> None:
    key = {"authorization": f"Bearer {town.services.keys.make(boris.account.id)}"}
    assert town.ask("/v1/models", headers=key).status == 200 and town.ask("/metrics", headers=key).status == 200
    for path in ("/", "/people", "/config", "/live", "/v1x", "/gradio_api/info"):
        assert town.ask(path, headers=key).status == 401, path
    own = {"origin": f"http://127.0.0.1:{town.port}"}
    assert town.ask("/people/invite", "POST", {**key, **own}).status == 401
    for wrong in ("Bearer", "Bearer x", "Bearer samovar-x", "Basic eDp4", f"bearer {'x' * 5000}"):
        answer = town.ask("/v1/models", headers={"authorization": wrong})
        assert answer.status == 401 and answer.code in ("invalid_api_key", "sign_in_required")
    assert town.ask("/v1/models", headers={**key, "sec-fetch-site": "cross-site"}).status == 403
