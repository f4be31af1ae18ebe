"""What bad input gets: a clear sentence in the reader's language, on the page that asked, and nothing lost."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.base import Backend
from backends.errors import EngineFailed
from backends.scripted import Script
from tests.backends.models.making import gguf
from tests.webui.security.town import LEVERS, Live, Town, Visitor
from webui import services
from webui.choice import ModelChoice
from webui.errors import StorageFull
from webui.history.store import History
from webui.loader import Stage


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A server at home; whatever model is not called "scripted" is opened in earnest."""
    town = Town(tmp_path_factory.mktemp("town"))
    settings, loader = town.services.settings, town.services.loader

    def opened(choice: ModelChoice, progress: Callable[[Stage, float], bool]) -> Backend:
        scripted = choice.reference == "scripted"
        return town.site.backend if scripted else services._open(settings, choice, progress)

    loader._open = opened
    yield town
    town.close()


@pytest.fixture
def script(town: Town, monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], None]:
    """Let another model answer until the end of the test."""
    return lambda script: monkeypatch.setattr(town.site.backend, "script", script)


@pytest.fixture(params=["en", "ru"])
def russian(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "ru")


@pytest.fixture
def page(town: Town, russian: bool) -> Iterator[Live]:
    with me(town).live("page", "ru" if russian else "en") as live:
        live.send(watch=None)
        live.until("hello")
        yield live


def me(town: Town) -> Visitor:
    """Who is at home needs no session."""
    return Visitor(town, "")


def act(town: Town, page: Live, name: str, /, **data: Any) -> tuple[bool, str]:
    """Do an act; returns whether it was done, and what the page was told."""
    page.heard.clear()
    assert me(town).act("page", name, **{"chat": None, **data}).status == 200
    done = bool(page.until("answer")["ok"])
    return done, " ".join(patch["text"] for patch in page.heard if patch["kind"] == "notice")


def chats(town: Town) -> list[tuple[int, str]]:
    return [(chat.id, chat.title) for chat in town.services.history.chats(1)]


def ready(town: Town) -> bool:
    state = town.services.loader.state
    return state.backend is not None and state.backend.info.name == "scripted" and state.stage == "ready"


def model_file(folder: Path, kind: str) -> Path:
    file = folder / f"{kind}.gguf"
    data = {"cut": gguf()[:-100], "letter": b"a letter to my aunt\n" * 500, "empty": b"", "missing": None}[kind]
    if data is not None:
        file.write_bytes(data)
    return file


@pytest.mark.parametrize("kind", ["missing", "cut", "letter", "empty"])
def test_a_model_that_is_none_is_told_and_the_one_before_stays(
    town: Town, page: Live, russian: bool, tmp_path: Path, kind: str
) -> None:
    file = model_file(tmp_path, kind)
    done, told = act(town, page, "model", reference=str(file))
    assert not done and file.name in told
    expected = (
        ("модели нет" if russian else "no model") if kind == "missing" else ("не годная" if russian else "not a usable")
    )
    assert expected in told
    if kind == "cut":
        assert "100" in told, "how much is missing is said"
    assert ready(town)


def test_a_model_that_breaks_while_it_is_opened_leaves_the_one_before(
    town: Town, page: Live, russian: bool, tmp_path: Path
) -> None:
    file = model_file(tmp_path, "cut")
    town.services.loader.switch(ModelChoice(str(file)))
    while not (patch := page.until("model"))["error"]:
        pass
    assert file.name in patch["error"] and ("не годная" if russian else "not a usable") in patch["error"]
    assert ready(town)


def own_preset(town: Town, name: str, text: str) -> None:
    folder = town.services.settings.presets_dir / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("sampling: {magic: 1}", "magic"), ("sampling: {temperature: 99}", "99"), ("sampling: [", ""), ("\0", ""),
     ("x: 1", "x"), ("sampling: {temperature: hot}", "hot"), ("name: ../up\nsampling: {nothing: 1}", "nothing")],
)  # fmt: skip
def test_a_broken_preset_is_listed_and_told(town: Town, russian: bool, text: str, reason: str) -> None:
    own_preset(town, "broken", text)
    with me(town).live("page", "ru" if russian else "en") as page:
        page.send(watch=None)
        listed = page.until("presets")["list"]
        found = next(each for each in listed if each["own"])
        assert found["error"] and reason in found["error"] and len(listed) > 5, "the others are there"
        before = town.services.levers(1)
        done, told = act(town, page, "preset", name=found["name"])
        assert not done and reason in told and ("не читается" if russian else "cannot be read") in told
        assert town.services.levers(1) == before
        assert act(town, page, "preset-delete", name=found["name"])[0], "it can be deleted"


@pytest.mark.parametrize(
    ("knob", "value"), [("temperature", 99), ("temperature", -1), ("temperature", "hot"), ("top_p", 1.5), ("magic", 1)]
)
@pytest.mark.parametrize("name", ["send", "levers", "preset-save"])
def test_a_value_out_of_range(town: Town, page: Live, russian: bool, name: str, knob: str, value: object) -> None:
    before, kept = chats(town), town.services.levers(1)
    done, told = act(town, page, name, text="x", name="x", levers={**LEVERS, "sampling": {knob: value}})
    label = {"temperature": ("Temperature", "Температура"), "magic": ("magic", "magic")}.get(knob, ("", ""))[russian]
    assert not done and label in told and told
    assert (chats(town), town.services.levers(1)) == (before, kept)
    assert all(preset.name != "x" for preset in town.services.presets(1).list())


def test_a_window_too_small_for_the_system_message(
    town: Town, page: Live, russian: bool, script: Callable[[Script], None]
) -> None:
    script(Script(window=64))
    before = chats(town)
    assert act(town, page, "system", text="be kind " * 60)[0]
    try:
        page.send(typing="hello")
        while not (meter := page.until("meter"))["error"]:
            pass
        assert "64" in meter["error"]
        done, told = act(town, page, "send", text="hello")
        assert not done and "64" in told and chats(town) == before
        assert ("окно" if russian else "window") in told
    finally:
        assert act(town, page, "system", text="")[0]


@pytest.mark.parametrize("failing", ["create_chat", "add_message", "second add_message"])
@pytest.mark.parametrize("new", [True, False])
def test_a_full_disk_keeps_nothing_by_halves(
    town: Town, page: Live, russian: bool, monkeypatch: pytest.MonkeyPatch, failing: str, new: bool
) -> None:
    history = town.services.history
    chat = None if new else me(town).say("hello")
    town.quiet()
    before, shown = chats(town), None if chat is None else history.dialogue(1, chat).path
    name = failing.split()[-1]
    left = 2 if failing.startswith("second") else 1
    really = getattr(History, name)

    def full(self: History, *args: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left <= 0:
            raise StorageFull(reason="database or disk is full")
        return really(self, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(History, name, full)
        done, told = act(town, page, "send", chat=chat, text="what I wrote")
    if not new and name == "create_chat":
        assert done
        return
    assert not done and ("На диске" if russian else "no room left on the disk") in told
    town.quiet()
    assert chats(town) == before
    if chat is not None:
        assert history.dialogue(1, chat).path == shown
    done, _ = act(town, page, "send", chat=chat, text="what I wrote")
    assert done, "once there is room, it can be sent as it stands in the box"


def test_an_engine_that_dies_in_the_middle(
    town: Town, page: Live, russian: bool, script: Callable[[Script], None]
) -> None:
    script(Script(replies=[EngineFailed(reason="out of luck")]))
    assert act(town, page, "send", text="hello")[0]
    town.quiet()
    chat = chats(town)[0][0]
    last = town.services.history.dialogue(1, chat).path[-1]
    assert last.state == "failed" and last.content == "Half a reply", "the draft stays, marked"
    page.send(watch=chat)
    shown = page.until("dialogue")["articles"][-1]
    assert "out of luck" in json.dumps(shown) and ("Движок" if russian else "engine") in json.dumps(
        shown, ensure_ascii=False
    )


@pytest.mark.parametrize(
    ("title", "kept"),
    [("../../etc/passwd", "../../etc/passwd"), ("${1+1}<b>'\"", "${1+1}<b>'\""),
     ("a\0b\nc\x1b[31m\u2028d", "ab c[31m d"), ("x" * 5000, "x" * 200), ("\ud800", None), ("\0", None), ("  ", None)],
)  # fmt: skip
def test_titles_are_only_text(town: Town, page: Live, russian: bool, title: str, kept: str | None) -> None:
    assert act(town, page, "send", text="hello")[0]
    town.quiet()
    chat, before = chats(town)[0]
    done, told = act(town, page, "rename", chat=chat, title=title)
    if kept is None:
        assert chats(town)[0] == (chat, before) if not done else chats(town)[0][1].strip()
        assert done or ("название" if russian else "name") in told.lower()
    else:
        assert done and chats(town)[0] == (chat, kept)


def test_two_tabs_that_send_at_once(town: Town, page: Live, russian: bool, script: Callable[[Script], None]) -> None:
    script(Script(replies=["word " * 200], delay=0.01))
    boris = me(town)
    assert act(town, page, "send", text="first")[0]
    chat = chats(town)[0][0]
    with boris.live("other", "en") as other:
        other.send(watch=chat)
        other.until("dialogue")
        boris.act("other", "send", chat=chat, text="second")
        assert other.until("answer")["ok"] is False, "the text stays in the box of that tab"
        assert any("being written" in patch.get("text", "") for patch in other.heard)
        assert not any(patch["kind"] == "notice" for patch in page.heard), "the first tab is not disturbed"
        boris.act("other", "stop", chat=chat)
    town.quiet()
    path = town.services.history.dialogue(1, chat).path
    assert [node.content for node in path[:1]] == ["first"] and path[-1].state == "stopped" and len(path) == 2
