"""The people page makes, lists and revokes the keys of whoever looks at it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backends.scripted import Script
from tests.webui.house import House
from webui.accounts import OWNER, SESSION_COOKIE
from webui.hosts import AllowedHosts
from webui.keys import ApiKeys
from webui.people import people_router
from webui.security import Guard


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, Script(), load=False)
    yield house
    house.services.close()


@pytest.fixture
def keys(house: House) -> ApiKeys:
    return house.services.keys


def visitor(house: House, name: str, sign_in: bool = True) -> TestClient:
    """A new guest's browser."""
    accounts = house.services.accounts
    app = FastAPI()
    app.include_router(people_router(accounts, house.services.keys, sign_in=sign_in, family_url=lambda: None))
    guard = Guard(app, hosts=AllowedHosts(), accounts=accounts, require_sign_in=sign_in)
    client = TestClient(guard, base_url="http://localhost")
    client.cookies.set(SESSION_COOKIE, accounts.accept(accounts.invite(OWNER).token, name, "a long password"))
    return client


def made(page: str) -> str:
    found = re.search(r'id="key" value="([^"]+)"', page)
    assert found
    return found[1]


def test_a_key_is_made_and_shown_once(house: House, keys: ApiKeys) -> None:
    anna = visitor(house, "Anna")
    page = anna.post("/people/keys", data={"label": "an <editor>"}).text
    account = keys.account_of(made(page))
    assert account is not None and account.name == "Anna"
    assert "an &lt;editor&gt;" in page and 'src="/people.js"' in page
    again = anna.get("/people").text
    assert made(page) not in again and made(page)[-4:] in again and "an &lt;editor&gt;" in again


def test_everyone_has_their_own(house: House, keys: ApiKeys) -> None:
    anna, boris = visitor(house, "Anna"), visitor(house, "Boris")
    key = made(anna.post("/people/keys", data={"label": "annas"}).text)
    account = keys.account_of(key)
    assert account is not None
    (kept,) = keys.of(account.id)
    assert "annas" not in boris.get("/people").text
    refused = boris.post("/people/keys/revoke", data={"key": kept.id})
    assert refused.status_code == 404 and "There is nothing here." in refused.text
    assert keys.account_of(key) == account
    answer = anna.post("/people/keys/revoke", data={"key": kept.id})
    assert "The key is revoked." in answer.text and "annas" not in answer.text
    assert keys.account_of(key) is None


def test_a_bad_name_is_told_where_the_keys_are(house: House, keys: ApiKeys) -> None:
    answer = visitor(house, "Anna").post("/people/keys", data={"label": "x" * 41}, headers={"accept-language": "ru"})
    assert answer.status_code == 400 and "В имени не больше 40 символов." in answer.text
    assert answer.text.index('id="keys"') < answer.text.index("В имени") < answer.text.index('id="password"')
    assert 'id="key"' not in answer.text


def test_at_home_there_is_nothing_to_make(house: House, keys: ApiKeys) -> None:
    page = visitor(house, "Anna", sign_in=False).post("/people/keys", data={"label": "x"}).text
    assert 'id="keys"' not in page and keys.of(1) == []
