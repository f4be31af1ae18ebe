"""Who may ask: keys that belong to accounts, and whose turn it is."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.webui.api.office import HELLO, Office
from webui.accounts import OWNER, SESSION_COOKIE
from webui.errors import BadName, NotFound

Build = Callable[..., Office]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def invite(office: Office) -> tuple[int, str]:
    """Let a guest in; returns their account and their session's token."""
    accounts = office.house.services.accounts
    token = accounts.accept(accounts.invite(OWNER).token, "Anna", "password of Anna")
    account = accounts.account_of(token)
    assert account is not None
    return account.id, token


def status(client: TestClient, headers: dict[str, str], path: str = "/v1/models") -> int:
    code: int = client.get(path, headers=headers).status_code
    return code


@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
def test_at_home_no_key_is_needed_and_any_will_do(build: Build, path: str) -> None:
    office = build()
    for headers in ({}, bearer("sk-anything"), bearer("samovar-made-up")):
        assert status(office.client, headers, path) == 200


@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
def test_where_one_signs_in_a_key_is_needed(build: Build, path: str) -> None:
    office = build(sign_in=True)
    key = office.house.services.keys.make(1)
    assert status(office.client, {}, path) == 401
    assert status(office.client, bearer("samovar-made-up"), path) == 401
    assert status(office.client, {"authorization": f"Basic {key}"}, path) == 401
    assert status(office.client, bearer(key), path) == 200
    error = office.client.post("/v1/chat/completions", json={"messages": HELLO}, headers=bearer("x")).json()["error"]
    assert error["code"] == "invalid_api_key" and error["type"] == "authentication_error"


def test_a_session_will_do_too(build: Build) -> None:
    office = build(sign_in=True)
    _, token = invite(office)
    assert status(office.client, {"cookie": f"{SESSION_COOKIE}={token}"}) == 200


def test_a_key_opens_no_page(build: Build) -> None:
    office = build(sign_in=True)
    key = office.house.services.keys.make(1)
    assert status(office.client, bearer(key), "/people") == 401


def test_each_asks_in_their_own_name(build: Build) -> None:
    office = build(sign_in=True)
    keys = office.house.services.keys
    guest, _ = invite(office)
    for account in (1, guest):
        body = {"messages": HELLO, "user": "somebody else"}
        answer = office.client.post("/v1/chat/completions", json=body, headers=bearer(keys.make(account)))
        assert answer.status_code == 200
    assert [request.user for request in office.house.backend.requests] == ["1", str(guest)]


def test_nothing_of_it_is_kept_in_the_history(office: Office) -> None:
    office.chat()
    history = office.house.services.history
    assert history.chats(1) == [] and history.search(1, "Hello", 5) == []


def test_a_key_is_seen_once_and_kept_as_a_digest(build: Build, tmp_path: Path) -> None:
    office = build()
    key = office.house.services.keys.make(1, " my  editor ")
    (kept,) = office.house.services.keys.of(1)
    assert (kept.label, kept.hint) == ("my editor", key[-4:])
    assert key.startswith("samovar-") and len(key) == 51
    with closing(sqlite3.connect(tmp_path / "0" / "samovar.db")) as connection:
        (row,) = connection.execute("SELECT * FROM api_key").fetchall()
    assert hashlib.sha256(f"api_key:{key}".encode()).hexdigest() in row
    assert not any(key[8:] in str(value) for value in row)


def test_a_revoked_key_is_no_key_at_once(build: Build) -> None:
    office = build(sign_in=True)
    keys = office.house.services.keys
    first, second = keys.make(1), keys.make(1)
    keys.revoke(1, keys.of(1)[0].id)
    assert status(office.client, bearer(first)) == 401
    assert status(office.client, bearer(second)) == 200


def test_nobody_revokes_anothers_key(build: Build) -> None:
    office = build()
    keys = office.house.services.keys
    guest, _ = invite(office)
    keys.make(1)
    with pytest.raises(NotFound):
        keys.revoke(guest, keys.of(1)[0].id)
    assert keys.of(guest) == [] and len(keys.of(1)) == 1


def test_the_keys_of_who_is_removed_are_gone(build: Build) -> None:
    office = build(sign_in=True)
    services = office.house.services
    guest, _ = invite(office)
    key = services.keys.make(guest)
    assert status(office.client, bearer(key)) == 200
    services.accounts.remove(OWNER, guest)
    assert status(office.client, bearer(key)) == 401
    assert services.keys.of(guest) == []
    with pytest.raises(NotFound):
        services.keys.make(guest)


def test_a_name_that_cannot_be_seen_is_refused(build: Build) -> None:
    keys = build().house.services.keys
    for label in ("a\x00b", "\u202e", "x" * 41):
        with pytest.raises(BadName):
            keys.make(1, label)
    assert keys.of(1) == []


def test_the_first_key_is_made_once(build: Build) -> None:
    keys = build().house.services.keys
    first = keys.prepare_first()
    assert first is not None and keys.account_of(first) is not None
    keys.revoke(1, keys.of(1)[0].id)
    assert keys.prepare_first() is None
