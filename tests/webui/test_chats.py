from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.scripted import Script
from tests.webui.house import ME, PLAIN, House
from webui.errors import NothingToDo


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, Script(replies=["one", "two", "three"]))
    yield house
    house.services.close()


def test_remove_last_gives_the_text_back_and_can_be_undone(house: House) -> None:
    chat = house.say("first")
    house.say("second", chat)
    house.chats.remove_last(ME, chat)
    assert house.texts(chat) == ["first", "one"]
    assert house.ear.typed["page"] == "second"
    (code, undo) = house.ear.of("notice")[-1]
    assert code == "removed_last"
    house.chats.move_tip(ME, chat, undo["id"])
    assert house.texts(chat) == ["first", "one", "second", "two"]


def test_remove_last_down_to_the_empty_chat(house: House) -> None:
    chat = house.say("only")
    house.chats.remove_last(ME, chat)
    assert house.texts(chat) == []
    with pytest.raises(NothingToDo):
        house.chats.remove_last(ME, chat)
    house.say("again", chat)
    dialogue = house.dialogue(chat)
    assert [node.content for node in dialogue.path] == ["again", "two"]
    assert len(dialogue.versions(dialogue.path[0].id)) == 2


def test_delete_takes_one_message_out_and_undo_brings_it_back(house: House) -> None:
    chat = house.say("first")
    house.say("second", chat)
    reply = house.path(chat)[1]
    house.chats.delete(ME, chat, reply.id)
    assert house.texts(chat) == ["first", "second", "two"]
    assert [len(house.dialogue(chat).versions(node.id)) for node in house.path(chat)] == [1, 1, 1]
    _, undo = house.ear.of("notice")[-1]
    house.chats.restore(ME, chat, undo["id"], undo["tip"], undo["left"], undo["copies"])
    assert house.texts(chat) == ["first", "one", "second", "two"]


def test_what_was_said_since_a_deletion_stays_when_it_is_undone(house: House) -> None:
    chat = house.say("first")
    house.chats.delete(ME, chat, house.path(chat)[1].id)
    _, undo = house.ear.of("notice")[-1]
    house.say("meanwhile", chat)
    assert house.texts(chat) == ["first", "meanwhile", "two"]
    house.chats.restore(ME, chat, undo["id"], undo["tip"], undo["left"], undo["copies"])
    assert house.texts(chat) == ["first", "one", "meanwhile", "two"]


def test_when_all_is_deleted_the_undo_brings_it_back(house: House) -> None:
    chat = house.say("first")
    for node in reversed(house.path(chat)):
        house.chats.delete(ME, chat, node.id)
    assert house.texts(chat) == []
    for _, undo in reversed(house.ear.of("notice")):
        house.chats.restore(ME, chat, undo["id"], undo["tip"], undo["left"], undo["copies"])
    assert house.texts(chat) == ["first", "one"]


def test_another_version_takes_the_place_of_a_deleted_one(house: House) -> None:
    chat = house.say("first")
    house.replies.regenerate(ME, chat, PLAIN)
    house.quiet()
    assert house.texts(chat) == ["first", "two"]
    house.chats.delete(ME, chat, house.path(chat)[1].id)
    assert house.texts(chat) == ["first", "one"]
    _, undo = house.ear.of("notice")[-1]
    house.chats.restore(ME, chat, undo["id"], undo["tip"], undo["left"], undo["copies"])
    assert house.texts(chat) == ["first", "two"]
    house.say("second", chat)
    house.chats.delete(ME, chat, house.path(chat)[1].id)
    assert house.texts(chat) == ["first", "one", "second", "three"], "what followed stays"
    _, undo = house.ear.of("notice")[-1]
    house.chats.restore(ME, chat, undo["id"], undo["tip"], undo["left"], undo["copies"])
    assert house.texts(chat) == ["first", "two", "second", "three"]
    one = house.dialogue(chat).versions(house.path(chat)[1].id)[0]
    assert house.dialogue(chat).children(one) == (), "no copy is left behind"
    assert [hit.message for hit in house.services.history.search(1, "three", 10)] == [house.path(chat)[3].id]


def test_a_deleted_question_gives_way_to_another_with_its_own_reply(house: House) -> None:
    chat = house.say("first")
    house.chats.remove_last(ME, chat)
    house.say("other", chat)
    house.chats.page_version(ME, chat, house.path(chat)[0].id, -1)
    assert house.texts(chat) == ["first", "one"]
    house.chats.delete(ME, chat, house.path(chat)[0].id)
    assert house.texts(chat) == ["other", "two"]
    assert len(house.dialogue(chat).versions(house.path(chat)[1].id)) == 1


def test_a_message_in_another_version_is_brought_onto_the_path(house: House) -> None:
    chat = house.say("first")
    one = house.path(chat)[1].id
    house.say("second", chat)
    house.replies.regenerate(ME, chat, PLAIN, one)
    house.quiet()
    assert house.texts(chat) == ["first", "three"]
    house.chats.read(ME, chat, one)
    assert house.texts(chat) == ["first", "one", "second", "two"]
    with pytest.raises(NothingToDo):
        house.chats.read(ME, chat, 10**6)


def test_paging_through_versions_comes_back_to_what_followed(house: House) -> None:
    chat = house.say("first")
    one = house.path(chat)[1].id
    house.say("second", chat)
    house.replies.regenerate(ME, chat, PLAIN, one)
    house.quiet()
    assert house.texts(chat) == ["first", "three"]
    house.chats.page_version(ME, chat, house.path(chat)[1].id, -1)
    assert house.texts(chat) == ["first", "one", "second", "two"]
    house.chats.page_version(ME, chat, one, -1)
    assert house.texts(chat) == ["first", "one", "second", "two"]


def test_a_branch_goes_its_own_way(house: House) -> None:
    chat = house.say("first")
    house.say("second", chat)
    branch = house.chats.branch(ME, chat, house.path(chat)[1].id)
    house.say("other", branch)
    assert house.texts(branch) == ["first", "one", "other", "three"]
    assert house.texts(chat) == ["first", "one", "second", "two"]
    assert ("page", branch) in house.ear.of("opened")


def test_a_chat_is_renamed_deleted_and_brought_back(house: House) -> None:
    chat = house.say("first")
    house.chats.rename(ME, chat, "${1+1}<b> ../")
    assert house.services.history.chat(1, chat).title == "${1+1}<b> ../"
    house.chats.delete_chat(ME, chat)
    assert house.services.history.chats(1) == []
    house.chats.restore_chat(ME, chat)
    assert house.texts(chat) == ["first", "one"]


def test_the_system_message_goes_with_every_prompt(house: House) -> None:
    chat = house.say("first")
    house.chats.set_system(ME, chat, "Be brief.")
    house.say("second", chat)
    prompt = house.backend.requests[-1].prompt
    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "user"]  # type: ignore[union-attr]
