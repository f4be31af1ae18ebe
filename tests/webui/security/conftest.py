import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backends.scripted import Script
from tests.webui.security.town import PASSWORD, Town, Visitor
from webui.attempts import Attempts

Build = Callable[..., Town]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Open servers that live until the last test."""
    opened: list[Town] = []

    def make(script: Script | None = None, **settings: Any) -> Town:
        opened.append(Town(tmp_path_factory.mktemp("town") / "data", script, **settings))
        return opened[-1]

    yield make
    for town in opened:
        town.close()


@pytest.fixture(scope="session")
def home(build: Build) -> Town:
    """A server on loopback: no sign-in."""
    return build()


@pytest.fixture(scope="session")
def town(build: Build) -> Town:
    """A server with `--listen`: everybody signs in."""
    return build(listen=True, password=PASSWORD)


@pytest.fixture(autouse=True)
def forgiven(request: pytest.FixtureRequest) -> None:
    """Forget the wrong passwords of the tests before."""
    if "town" in request.fixturenames:
        accounts = request.getfixturevalue("town").services.accounts
        accounts._attempts = Attempts(time.monotonic)


@pytest.fixture(scope="session")
def anna(town: Town) -> Visitor:
    """The owner."""
    return town.owner()


@pytest.fixture(scope="session")
def boris(town: Town) -> Visitor:
    """A guest."""
    return town.guest("Борис")
