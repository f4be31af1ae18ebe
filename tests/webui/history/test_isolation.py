"""Nobody reaches what belongs to another account: every method of the store that is told who asks."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from webui.errors import NotFound
from webui.history.store import History


@dataclass(frozen=True)
class Theirs:
    """What the owner has."""

    chat: int
    message: int
    gone: int


@pytest.fixture
def theirs(history: History) -> Theirs:
    chat = history.create_chat(1, "secret title").id
    message = history.add_message(1, chat, None, "user", "secret words").id
    gone = history.create_chat(1, "deleted secret").id
    history.delete_chat(1, gone)
    history.set_setting(1, "system", "secret setting")
    return Theirs(chat, message, gone)


Ask = Callable[[History, int, Theirs], object]

REFUSED: dict[str, Ask] = {
    "chat": lambda history, me, their: history.chat(me, their.chat),
    "rename_chat": lambda history, me, their: history.rename_chat(me, their.chat, "mine"),
    "set_system": lambda history, me, their: history.set_system(me, their.chat, "mine"),
    "delete_chat": lambda history, me, their: history.delete_chat(me, their.chat),
    "restore_chat": lambda history, me, their: history.restore_chat(me, their.gone),
    "dialogue": lambda history, me, their: history.dialogue(me, their.chat),
    "add_message": lambda history, me, their: history.add_message(me, their.chat, their.message, "user", "mine"),
    "set_tip": lambda history, me, their: history.set_tip(me, their.chat, None),
    "hide": lambda history, me, their: history.hide(me, their.message),
    "branch": lambda history, me, their: history.branch(me, their.chat, their.message, "mine"),
    "shared_tip": lambda history, me, their: history.shared_tip(me, their.chat, their.message),
    "choices": lambda history, me, their: history.choices(me, their.message),
}
EMPTY: dict[str, Ask] = {
    "chats": lambda history, me, their: history.chats(me),
    "search": lambda history, me, their: history.search(me, "secret", 10) + history.search(me, "…", 10),
    "setting": lambda history, me, their: history.setting(me, "system", []),
}
OWN: dict[str, Ask] = {
    "create_chat": lambda history, me, their: history.create_chat(me, "mine"),
    "set_setting": lambda history, me, their: history.set_setting(me, "system", "mine"),
}


def everything(history: History, their: Theirs) -> object:
    return (
        history.chats(1), history.dialogue(1, their.chat), history.setting(1, "system", None),
        history.search(1, "secret", 10),
    )  # fmt: skip


@pytest.mark.parametrize("method", REFUSED)
@pytest.mark.parametrize("stranger", ["guest", "nobody"])
def test_a_stranger_is_told_that_there_is_no_such_thing(
    history: History, theirs: Theirs, guest: int, method: str, stranger: str
) -> None:
    before = everything(history, theirs)
    with pytest.raises(NotFound):
        REFUSED[method](history, guest if stranger == "guest" else 77, theirs)
    assert everything(history, theirs) == before


@pytest.mark.parametrize("method", EMPTY)
def test_a_stranger_sees_nothing(history: History, theirs: Theirs, guest: int, method: str) -> None:
    assert EMPTY[method](history, guest, theirs) == []
    assert EMPTY[method](history, 77, theirs) == []


@pytest.mark.parametrize("method", OWN)
def test_what_a_stranger_makes_is_their_own(history: History, theirs: Theirs, guest: int, method: str) -> None:
    before = everything(history, theirs)
    OWN[method](history, guest, theirs)
    assert everything(history, theirs) == before
    with pytest.raises(NotFound):
        OWN[method](history, 77, theirs)


def test_a_stranger_cannot_graft_their_tree_on_another(history: History, theirs: Theirs, guest: int) -> None:
    mine = history.create_chat(guest, "mine").id
    for graft in (
        lambda: history.add_message(guest, mine, theirs.message, "user", "x"),
        lambda: history.set_tip(guest, mine, theirs.message),
        lambda: history.branch(guest, mine, theirs.message, "x"),
        lambda: history.shared_tip(guest, mine, theirs.message),
    ):
        with pytest.raises(NotFound):
            graft()


def test_every_method_that_is_told_who_asks_is_tried() -> None:
    told = {
        name
        for name, method in inspect.getmembers(History, inspect.isfunction)
        if not name.startswith("_") and "account" in inspect.signature(method).parameters
    }
    assert told == {*REFUSED, *EMPTY, *OWN}
    untold = {name for name, _ in inspect.getmembers(History, inspect.isfunction) if not name.startswith("_")} - told
    assert untold == {
        "begin_draft", "save_draft", "finish", "copy_choices", "mark_cut", "counts", "save_counts", "close",
    }, "the jobs' own, which were told when they were started"  # fmt: skip
