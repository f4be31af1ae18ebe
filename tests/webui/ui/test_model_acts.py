"""What the model panel asks for: the owner alone may, and what cannot be is said before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.scripted import Script
from tests.backends.models.making import put
from tests.webui.house import House
from webui.accounts import Account
from webui.choice import ModelChoice
from webui.history.store import History
from webui.live import Live
from webui.ui.commands import PageCommands
from webui.ui.feed import Feed
from webui.ui.views import Views

OWNER, GUEST = Account(1, "Anna", owner=True), Account(2, "Boris", owner=False)


class Listening(Feed):
    """A feed that keeps the notices."""

    def __init__(self, history: History) -> None:
        super().__init__(history, Live(), Views())
        self.heard: list[str] = []

    def notice(self, account: int, page: str, code: str, details: Mapping[str, Any] | None = None,
               undo: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        self.heard.append(code)


class Desk:
    def __init__(self, folder: Path) -> None:
        self.house = House(folder, Script())
        self.feed = Listening(self.house.services.history)
        self.commands = PageCommands(self.house.services, self.feed)
        self.loader = self.house.services.loader
        self.house.until(lambda: self.house.services.kept.last == "scripted")

    def ask(self, act: str, account: Account = OWNER, **data: Any) -> list[str]:
        """Ask for something; returns the notices."""
        self.feed.heard.clear()
        self.commands.run(account, {"act": act, "page": "page", "call": 1, **data})
        return self.feed.heard


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    put(tmp_path / "models" / "a.gguf")
    return Desk(tmp_path)


@pytest.mark.parametrize("act", ["model", "model-cancel", "model-unload", "model-forget"])
def test_a_guest_changes_nothing(desk: Desk, act: str) -> None:
    before = desk.loader.state
    assert desk.ask(act, GUEST, reference="a.gguf") == ["owner_only"]
    assert desk.loader.state == before and desk.house.services.kept.last == "scripted"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"reference": "nosuch.gguf"}, "model_not_found"),
        ({"reference": "  "}, "invalid_request"),
        ({"reference": 7}, "invalid_request"),
        ({}, "invalid_request"),
        ({"reference": "a.gguf", "options": {"ctx": "many"}}, "invalid_request"),
        ({"reference": "a.gguf", "options": {"sudo": True}}, "invalid_request"),
        ({"reference": "http://host:port"}, "model_not_found"),
    ],
)
def test_what_cannot_be_changes_nothing(desk: Desk, data: Mapping[str, Any], code: str) -> None:
    before = desk.loader.state
    assert desk.ask("model", **data) == [code]
    assert desk.loader.state == before


def test_a_model_is_opened_as_asked_or_as_it_was_the_last_time(desk: Desk) -> None:
    kept = desk.house.services.kept
    assert desk.ask("model", reference=" a.gguf ", options={"ctx": 512, "backend": "llamacpp"}) == []
    wanted = ModelChoice("a.gguf", backend="llamacpp", ctx=512)
    desk.house.until(lambda: kept.of("a.gguf") == wanted)
    desk.house.until(lambda: desk.loader.state.loaded == wanted and desk.loader.state.stage == "ready")
    assert desk.ask("model", reference="a.gguf") == []
    assert desk.loader.state.choice == wanted
    desk.house.until(lambda: desk.loader.state.stage == "ready")
    assert desk.ask("model-unload") == []
    assert desk.loader.state.stage == "none"
    assert desk.ask("model-forget", reference="a.gguf") == []
    assert kept.of("a.gguf") == ModelChoice("a.gguf")
    assert desk.ask("model-cancel") == []
