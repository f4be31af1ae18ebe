"""Two accounts never see each other's chats, by any route: every act of the page, the channel, presets, search."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.webui.security.town import LEVERS, Live, Town, Visitor
from webui.ui.commands import PageCommands
from webui.ui.feed import Feed
from webui.ui.views import Views

SECRET = "the samovar recipe"


@dataclass(frozen=True)
class Theirs:
    """What the owner has: a chat with its messages, and a deleted one."""

    chat: int
    mine: int
    reply: int
    gone: int


@pytest.fixture(scope="module")
def theirs(town: Town, anna: Visitor) -> Theirs:
    history, me = town.services.history, anna.account.id
    chat, gone = anna.say(SECRET), anna.say(f"deleted: {SECRET}")
    history.delete_chat(me, gone)
    history.set_setting(me, "system", SECRET)
    mine, reply = (node.id for node in history.dialogue(me, chat).path)
    return Theirs(chat, mine, reply, gone)


@pytest.fixture
def page(boris: Visitor) -> Iterator[Live]:
    """The guest's open page."""
    with boris.live("page") as live:
        live.send(watch=None)
        live.until("hello")
        yield live


def everything(town: Town, anna: Visitor, theirs: Theirs) -> object:
    """What must stay as it is."""
    history, me = town.services.history, anna.account.id
    presets = [preset.name for preset in town.services.presets(me).list()]
    chats = [(chat.id, chat.title, chat.system, chat.tip) for chat in history.chats(me)]
    return (
        chats,
        history.dialogue(me, theirs.chat),
        history.setting(me, "system", ""),
        town.services.levers(me),
        presets,
    )


ACTS: Mapping[str, Mapping[str, Any]] = {
    "send": {"text": "x"}, "regenerate": {}, "continue": {}, "impersonate": {"text": ""}, "stop": {},
    "edit": {"id": "mine", "text": "x", "reply": True}, "remove-last": {}, "tip": {"id": "mine"},
    "version": {"id": "reply", "step": 1}, "delete": {"id": "reply"},
    "restore": {"id": "reply", "tip": "reply", "left": "mine"}, "read": {"id": "mine"}, "branch": {"id": "reply"},
    "rename": {"title": "mine"}, "delete-chat": {}, "restore-chat": {}, "system": {"text": "x"},
}  # fmt: skip
"""The acts on a chat; `id`, `tip` and `left` name one of its messages."""
OWNERS: Mapping[str, Mapping[str, Any]] = {
    "model": {"reference": "/etc/passwd"}, "model-cancel": {}, "model-unload": {}, "model-forget": {"reference": "x"},
}  # fmt: skip
OWN: Mapping[str, Mapping[str, Any]] = {
    "levers": {}, "preset": {"name": "secret preset"}, "preset-save": {"name": "mine"},
    "preset-rename": {"name": "secret preset", "title": "stolen"}, "preset-delete": {"name": "secret preset"},
}  # fmt: skip


def test_every_act_is_tried_here(town: Town) -> None:
    feed = Feed(town.services.history, town.services.live, Views())
    assert set(PageCommands(town.services, feed)._acts) == {*ACTS, *OWNERS, *OWN}


def filled(values: Mapping[str, Any], theirs: Theirs) -> dict[str, Any]:
    return {name: getattr(theirs, value) if name in ("id", "tip", "left") else value for name, value in values.items()}


def asked(page: Live, boris: Visitor, act: str, **data: Any) -> bool:
    """Do an act and return what was answered."""
    assert boris.act("page", act, **data).status == 200
    return bool(page.until("answer")["ok"])


@pytest.mark.parametrize("act", ACTS)
def test_no_act_reaches_the_chat_of_another(
    town: Town, anna: Visitor, boris: Visitor, theirs: Theirs, page: Live, act: str
) -> None:
    before = everything(town, anna, theirs)
    for chat in (theirs.chat, theirs.gone, 10**6, 2**62):
        assert not asked(page, boris, act, chat=chat, **filled(ACTS[act], theirs))
    town.quiet()
    assert everything(town, anna, theirs) == before
    notices = [patch["text"] for patch in page.heard if patch["kind"] == "notice"]
    assert len(notices) == 4 and all("no such chat" in text.lower() for text in notices), notices
    assert SECRET not in json.dumps(page.heard, ensure_ascii=False)


@pytest.mark.parametrize("act", [act for act in ACTS if "id" in ACTS[act]])
def test_no_act_mixes_my_chat_with_the_messages_of_another(
    town: Town, anna: Visitor, boris: Visitor, theirs: Theirs, page: Live, act: str
) -> None:
    before = everything(town, anna, theirs)
    mine = boris.say("my own words")
    assert not asked(page, boris, act, chat=mine, **filled(ACTS[act], theirs))
    town.quiet()
    assert everything(town, anna, theirs) == before
    assert SECRET not in json.dumps(page.heard, ensure_ascii=False)
    words = [node.content for node in town.services.history.dialogue(boris.account.id, mine).path]
    assert words == ["my own words", "You said: my own words"]


def test_restoring_my_message_does_not_move_to_one_of_another(
    town: Town, boris: Visitor, theirs: Theirs, page: Live
) -> None:
    mine = boris.say("my own words")
    dialogue = town.services.history.dialogue(boris.account.id, mine)
    for tip, left in ((theirs.reply, None), (theirs.reply, theirs.mine), (dialogue.tip, theirs.reply)):
        asked(page, boris, "delete", chat=mine, id=dialogue.tip)
        asked(page, boris, "restore", chat=mine, id=dialogue.tip, tip=tip, left=left)
        now = town.services.history.dialogue(boris.account.id, mine)
        assert set(now.nodes) & {theirs.mine, theirs.reply} == set() and now.tip not in (theirs.mine, theirs.reply)
    assert SECRET not in json.dumps(page.heard, ensure_ascii=False)


@pytest.mark.parametrize("act", OWNERS)
def test_the_model_is_the_owner_s(town: Town, boris: Visitor, page: Live, act: str) -> None:
    before = town.services.loader.state
    assert not asked(page, boris, act, **OWNERS[act])
    assert any(patch["kind"] == "notice" and "owner" in patch["text"] for patch in page.heard)
    assert town.services.loader.state == before


def test_presets_and_levers_are_one_s_own(
    town: Town, anna: Visitor, boris: Visitor, theirs: Theirs, page: Live
) -> None:
    with anna.live("anna") as hers:
        hers.send(watch=None)
        hers.until("hello")
        hot = {**LEVERS, "sampling": {"temperature": 1.7}}
        anna.act("anna", "preset-save", name="secret preset", levers=hot)
        assert hers.until("answer")["ok"]
        for act in ("preset", "preset-rename", "preset-delete"):
            assert not asked(page, boris, act, **OWN[act])
        assert asked(page, boris, "preset-save", name="Secret Preset", levers=LEVERS), "a name is free for each"
        assert asked(page, boris, "levers", levers={**LEVERS, "start_with": "mine"})
        assert town.services.levers(anna.account.id).sampling.temperature == 1.7
        assert town.services.presets(anna.account.id).load("secret preset").sampling.temperature == 1.7
        assert asked(page, boris, "preset-delete", name="secret preset")
        assert not [patch for patch in hers.heard if patch.get("start_with") == "mine"]
    assert "1.7" not in json.dumps([patch for patch in page.heard if patch["kind"] in ("levers", "presets")])


@pytest.mark.parametrize(
    "name", ["../1/secret-preset", "..", "/etc/passwd", "1/x", "con", "a\0b", "x" * 5000, "${1+1}<b>"]
)
def test_the_name_of_a_preset_is_no_path(town: Town, boris: Visitor, page: Live, name: str) -> None:
    folder: Path = town.services.settings.data_dir
    before = {path for path in folder.rglob("*") if "-wal" not in path.name and "-shm" not in path.name}
    saved = asked(page, boris, "preset-save", name=name)
    fresh = {path for path in folder.rglob("*") if "-wal" not in path.name and "-shm" not in path.name} - before
    own = folder / "presets" / str(boris.account.id)
    assert all(own in path.parents or path == own for path in fresh)
    if saved:
        assert asked(page, boris, "preset-delete", name=name.replace("\0", ""))


def test_the_channel_shows_only_one_s_own(
    town: Town, anna: Visitor, boris: Visitor, theirs: Theirs, page: Live
) -> None:
    for chat in (theirs.chat, theirs.gone, 10**6, 0, -1, 2**70):
        page.send(watch=chat)
        shown = page.until("dialogue")
        assert shown["articles"] == [] and shown["system"] == ""
    page.send(watch=theirs.chat)
    page.until("dialogue")
    for asked in ({"older": theirs.reply}, {"typing": "x"}, {"chats": 1e12}, {"search": "samovar"}, {"search": "…"}):
        page.send(**asked)
    assert page.until("found", text="…")["list"] == []
    anna.act("elsewhere", "send", chat=theirs.chat, text=f"more of {SECRET}")
    town.quiet()
    page.send(search="the end")
    page.until("found", text="the end")
    assert SECRET not in json.dumps(page.heard, ensure_ascii=False)
    assert "secret" not in json.dumps([at for at in page.heard if at["kind"] in ("chats", "found", "more-chats")])


def test_a_reply_is_heard_by_its_own_person_alone(town: Town, anna: Visitor, boris: Visitor, page: Live) -> None:
    with anna.live("page") as hers:
        hers.send(watch=None)
        hers.until("hello")
        anna.act("page", "send", chat=None, text="for my page only")
        chat = hers.until("goto")["chat"]
        hers.send(watch=chat)
        hers.until("dialogue")
        town.quiet()
        page.send(search="the end")
        page.until("found", text="the end")
    assert "for my page only" not in json.dumps(page.heard), "the page's id is the same, the account is not"
    assert all(patch["kind"] not in ("goto", "chat", "input") for patch in page.heard)


@pytest.mark.parametrize("asked", [{"models": True}, {"look": "/etc/passwd"}])
def test_what_is_on_the_disk_is_the_owner_s_business(page: Live, asked: Mapping[str, Any]) -> None:
    page.send(**asked)
    page.send(search="the end")
    page.until("found", text="the end")
    assert all(patch["kind"] not in ("models", "card") for patch in page.heard)


def test_programs_get_nothing_of_anybody_s_chats(town: Town, anna: Visitor, boris: Visitor, theirs: Theirs) -> None:
    key = {"authorization": f"Bearer {town.services.keys.make(boris.account.id)}"}
    before = everything(town, anna, theirs)
    seen = [town.ask(path, headers=key).text for path in ("/metrics", "/v1/models", "/v1/models/scripted")]
    asked = json.dumps({"messages": [{"role": "user", "content": "what was said?"}], "user": "1"}).encode()
    for chat in ("chat", "chat_id", "conversation"):
        body = json.dumps({"messages": [{"role": "user", "content": "x"}], chat: theirs.chat}).encode()
        seen.append(town.ask("/v1/chat/completions", "POST", key, body).text)
    seen.append(town.ask("/v1/chat/completions", "POST", key, asked).text)
    assert "what was said?" in seen[-1] and SECRET not in "".join(seen)
    assert town.site.backend.requests[-1].user == str(boris.account.id), "who asks is said by the key alone"
    assert everything(town, anna, theirs) == before
