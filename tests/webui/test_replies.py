import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.errors import EngineFailed, InvalidParameter, PromptTooLong
from backends.sampling import SamplingParams
from backends.scripted import Script, ScriptedBackend
from backends.values import ChatPrompt, Message
from tests.webui.house import ME, PLAIN, House, short
from webui.chats import Actor
from webui.errors import ChatBusy, NoModel, NotFound, NothingToDo
from webui.levers import Levers
from webui.replies import title_of

Build = Callable[..., House]
SLOW = Script(replies=["word " * 2000], delay=0.005)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    built: list[House] = []

    def make(script: Script | None = None, load: bool = True) -> House:
        built.append(House(tmp_path, script or Script(), load))
        return built[-1]

    yield make
    for house in built:
        house.services.close()


def prompt_of(house: House, number: int = -1) -> ChatPrompt:
    prompt = house.backend.requests[number].prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def test_a_first_message_opens_a_chat_and_is_answered(build: Build) -> None:
    house = build()
    chat = house.say("  Hello\n there ")
    assert house.texts(chat) == ["  Hello\n there ", "You said:   Hello\n there "]
    assert [node.state for node in house.path(chat)] == ["done", "done"]
    assert house.services.history.chat(1, chat).title == "Hello there"
    assert house.ear.of("opened") == [("page", chat)]
    made = house.path(chat)[-1].made
    assert made is not None and made.model == "scripted" and made.usage is not None


def test_the_next_message_carries_the_dialogue(build: Build) -> None:
    house = build(Script(replies=["one", "two"]))
    chat = house.say("first")
    house.say("second", chat)
    assert prompt_of(house).messages == (
        Message("user", "first"), Message("assistant", "one"), Message("user", "second"),
    )  # fmt: skip
    assert house.texts(chat) == ["first", "one", "second", "two"]


def test_generate_on_an_empty_input_asks_for_a_reply_to_what_is_there(build: Build) -> None:
    house = build(Script(replies=["one", "two"]))
    chat = house.say("first")
    house.chats.remove_last(ME, chat)
    with pytest.raises(NothingToDo):
        house.replies.send(ME, chat, " \n", PLAIN)
    house.chats.move_tip(ME, chat, house.dialogue(chat).nodes[1].id)
    house.say("", chat)
    assert house.texts(chat) == ["first", "two"]


def test_nothing_is_made_of_nothing(build: Build) -> None:
    house = build()
    with pytest.raises(NothingToDo):
        house.replies.send(ME, None, "  ", PLAIN)
    assert house.services.history.chats(1) == []


def test_regenerate_adds_a_version_with_a_new_seed(build: Build) -> None:
    house = build(Script(replies=["one", "two"]))
    chat = house.say("hi", levers=Levers(SamplingParams(seed=7)))
    house.replies.regenerate(ME, chat, Levers(SamplingParams(seed=7)))
    house.quiet()
    dialogue = house.dialogue(chat)
    assert house.texts(chat) == ["hi", "two"]
    assert len(dialogue.versions(dialogue.path[-1].id)) == 2
    assert [request.sampling.seed for request in house.backend.requests] == [7, -1]


def pieces(house: House, message: int) -> list[tuple[int, bytes]]:
    """Return the beginning of every stretch that was kept with a message, and the text of its tokens."""
    kept = house.services.history.choices(1, message)
    return [(each.start, b"".join(choice.drawn.piece for choice in each.choices)) for each in kept]


def test_what_was_weighed_is_kept_with_the_reply(build: Build) -> None:
    house = build(Script(replies=["Once upon", " a time", " and again"]))
    chat = house.say("a tale")
    reply = house.path(chat)[-1].id
    assert pieces(house, reply) == [(0, b"Once upon")]
    house.replies.continue_(ME, chat, PLAIN)
    house.quiet()
    assert pieces(house, reply) == [(0, b"Once upon"), (9, b" a time")]
    house.say("more", chat)
    house.replies.continue_(ME, chat, PLAIN, reply)
    house.quiet()
    copy = house.path(chat)[-1].id
    assert copy != reply and len(pieces(house, reply)) == 2 and len(pieces(house, copy)) == 3
    assert [request.alternatives for request in house.backend.requests] == [PLAIN.alternatives] * 4


def test_nothing_is_kept_unasked_or_from_an_engine_that_does_not_tell(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = build()
    quiet = house.say("hi", levers=Levers(alternatives=0))
    monkeypatch.setattr(
        ScriptedBackend, "capabilities", dataclasses.replace(house.backend.capabilities, alternatives=0)
    )
    silent = house.say("hi")
    for chat in (quiet, silent):
        assert pieces(house, house.path(chat)[-1].id) == []
    assert [request.alternatives for request in house.backend.requests] == [0, 0]


@pytest.mark.parametrize("number", [-1, 21, 2.5, True, "5"])
def test_how_many_are_kept_has_its_limits(number: Any) -> None:
    with pytest.raises(InvalidParameter):
        Levers(alternatives=number)


def test_continue_goes_on_in_the_same_message_from_its_last_character(build: Build) -> None:
    house = build(Script(replies=["Once upon", " a time"]))
    chat = house.say("a tale")
    before = house.path(chat)[-1].id
    house.replies.continue_(ME, chat, PLAIN)
    house.quiet()
    assert house.texts(chat) == ["a tale", "Once upon a time"]
    assert house.path(chat)[-1].id == before
    assert prompt_of(house).prefix == "Once upon"
    assert prompt_of(house).messages == (Message("user", "a tale"),)


def test_the_figures_of_a_continued_reply_are_those_of_both_parts(build: Build) -> None:
    house = build(Script(replies=["Once upon", " a time there was"]))
    chat = house.say("a tale")
    house.replies.continue_(ME, chat, PLAIN)
    house.quiet()
    made = house.path(chat)[-1].made
    assert made is not None and made.usage is not None
    assert made.usage.completion_tokens == 2 + 4
    assert made.usage.prompt_tokens > 4


def test_continue_leaves_a_reply_that_others_stand_on(build: Build) -> None:
    house = build(Script(replies=["one", "two", " more"]))
    chat = house.say("a")
    first = house.path(chat)[1].id
    house.say("b", chat)
    house.replies.continue_(ME, chat, PLAIN, first)
    house.quiet()
    assert house.texts(chat) == ["a", "one more"]
    assert house.dialogue(chat).nodes[first].content == "one"


def test_continue_leaves_a_reply_that_a_branch_ends_with(build: Build) -> None:
    house = build(Script(replies=["one", " more"]))
    chat = house.say("a")
    branch = house.chats.branch(ME, chat, house.path(chat)[-1].id)
    house.replies.continue_(ME, branch, PLAIN)
    house.quiet()
    assert house.texts(branch) == ["a", "one more"]
    assert house.texts(chat) == ["a", "one"]


def test_impersonate_writes_into_the_input_of_this_page_alone(build: Build) -> None:
    house = build(Script(replies=["one", "as you would"]))
    chat = house.say("a")
    house.replies.impersonate(ME, chat, "Well ", PLAIN)
    house.quiet()
    assert house.ear.typed == {"page": "as you would"}
    assert prompt_of(house).speaker == "user" and prompt_of(house).prefix == "Well "
    assert house.texts(chat) == ["a", "one"]


def test_impersonate_before_there_is_a_chat(build: Build) -> None:
    house = build(Script(replies=["a question"]))
    house.replies.impersonate(ME, None, "", PLAIN)
    house.quiet()
    assert house.ear.typed == {"page": "a question"}
    assert house.services.history.chats(1) == []


def test_start_reply_with_is_the_beginning_of_the_reply(build: Build) -> None:
    house = build(Script(replies=[" it is"]))
    chat = house.say("is it?", levers=Levers(start_with="Yes,"))
    assert house.texts(chat)[-1] == "Yes, it is"
    assert prompt_of(house).prefix == "Yes,"


def test_stop_ends_the_reply_of_this_chat_only(build: Build) -> None:
    house = build(SLOW)
    one, two = house.replies.send(ME, None, "a", PLAIN), house.replies.send(ME, None, "b", PLAIN)
    house.until(lambda: all(house.services.jobs.of_chat(chat).tokens for chat in (one, two)))  # type: ignore[union-attr]
    house.replies.stop(ME, one)
    house.until(lambda: house.services.jobs.of_chat(one) is None)
    assert house.path(one)[-1].state == "stopped" and house.path(one)[-1].content.startswith("word")
    assert house.services.jobs.of_chat(two) is not None


def test_a_chat_that_is_busy_is_left_alone(build: Build) -> None:
    house = build(SLOW)
    chat = house.replies.send(ME, None, "a", PLAIN)
    reply = house.path(chat)[-1].id
    for command in (
        lambda: house.replies.send(ME, chat, "b", PLAIN),
        lambda: house.replies.regenerate(ME, chat, PLAIN),
        lambda: house.replies.continue_(ME, chat, PLAIN),
        lambda: house.replies.impersonate(ME, chat, "", PLAIN),
        lambda: house.replies.edit(ME, chat, reply, "x", None),
        lambda: house.chats.remove_last(ME, chat),
        lambda: house.chats.delete(ME, chat, reply),
    ):
        with pytest.raises(ChatBusy):
            command()
    assert len(house.path(chat)) == 2


def test_editing_a_message_asks_again_and_keeps_the_old_one(build: Build) -> None:
    house = build(Script(replies=["one", "two"]))
    chat = house.say("frist")
    first = house.path(chat)[0].id
    house.replies.edit(ME, chat, first, "first", PLAIN)
    house.quiet()
    assert house.texts(chat) == ["first", "two"]
    house.chats.page_version(ME, chat, house.path(chat)[0].id, -1)
    assert house.texts(chat) == ["frist", "one"]


def test_editing_a_reply_only_adds_a_version(build: Build) -> None:
    house = build(Script(replies=["one"]))
    chat = house.say("hi")
    house.replies.edit(ME, chat, house.path(chat)[1].id, "my own", PLAIN)
    assert house.texts(chat) == ["hi", "my own"]
    assert len(house.backend.requests) == 1
    with pytest.raises(NothingToDo):
        house.replies.edit(ME, chat, house.path(chat)[1].id, " ", None)


def test_a_message_that_cannot_fit_is_refused_before_it_is_kept(build: Build) -> None:
    house = build(Script(window=64))
    with pytest.raises(PromptTooLong) as refused:
        house.replies.send(ME, None, "word " * 5000, PLAIN)
    assert refused.value.details["window"] == 64
    assert int(str(refused.value.details["tokens"])) > 5000
    assert house.services.history.chats(1) == []


def test_what_was_asked_while_the_model_loads_is_answered_when_it_is_there(build: Build) -> None:
    house = build(load=False)
    house.services.loader._state = dataclasses.replace(house.services.loader.state, stage="loading")
    chat = house.replies.send(ME, None, "early", PLAIN)
    assert house.path(chat)[-1].state == "writing"
    house.load()
    house.quiet()
    assert house.texts(chat) == ["early", "You said: early"]


def test_what_is_stopped_while_the_model_loads_is_stopped_and_not_failed(build: Build) -> None:
    house = build(load=False)
    house.services.loader._state = dataclasses.replace(house.services.loader.state, stage="loading")
    chat = house.replies.send(ME, None, "early", PLAIN)
    house.replies.stop(ME, chat)
    house.quiet()
    reply = house.path(chat)[-1]
    assert (reply.state, reply.content) == ("stopped", "")
    assert reply.made is not None and not reply.made.error


def test_without_a_model_nothing_is_sent_and_the_text_stays(build: Build) -> None:
    house = build(load=False)
    with pytest.raises(NoModel):
        house.say("hello")
    assert house.services.history.chats(1) == []


def test_an_engine_that_dies_keeps_the_draft_and_the_next_try_is_a_version(build: Build) -> None:
    house = build(Script(replies=[EngineFailed(reason="out of breath"), "whole"]))
    chat = house.say("hi")
    assert house.path(chat)[-1].content == "Half a reply" and house.path(chat)[-1].state == "failed"
    house.replies.regenerate(ME, chat, PLAIN)
    house.quiet()
    assert house.texts(chat) == ["hi", "whole"]
    assert len(house.dialogue(chat).versions(house.path(chat)[-1].id)) == 2


def test_the_limit_of_the_reply_is_told(build: Build) -> None:
    house = build(Script(replies=["one two three four"]))
    chat = house.say("hi", levers=short(2))
    assert house.path(chat)[-1].content == "one two" and house.path(chat)[-1].state == "length"


def test_nobody_reaches_the_chats_of_others(build: Build) -> None:
    house = build()
    chat = house.say("secret")
    reply = house.path(chat)[-1].id
    guest = Actor(2, "page")
    for command in (
        lambda: house.replies.send(guest, chat, "x", PLAIN),
        lambda: house.replies.regenerate(guest, chat, PLAIN),
        lambda: house.replies.continue_(guest, chat, PLAIN),
        lambda: house.replies.impersonate(guest, chat, "", PLAIN),
        lambda: house.replies.edit(guest, chat, reply, "x", PLAIN),
        lambda: house.replies.stop(guest, chat),
        lambda: house.chats.page_version(guest, chat, reply, 1),
        lambda: house.chats.remove_last(guest, chat),
        lambda: house.chats.move_tip(guest, chat, reply),
        lambda: house.chats.delete(guest, chat, reply),
        lambda: house.chats.restore(guest, chat, reply, reply, reply),
        lambda: house.chats.read(guest, chat, reply),
        lambda: house.chats.branch(guest, chat, reply),
        lambda: house.chats.rename(guest, chat, "mine"),
        lambda: house.chats.set_system(guest, chat, "mine"),
        lambda: house.chats.delete_chat(guest, chat),
        lambda: house.chats.restore_chat(guest, chat),
    ):
        with pytest.raises(NotFound):
            command()
    assert house.texts(chat) == ["secret", "You said: secret"]


def test_titles_are_the_first_words() -> None:
    assert title_of("  two\nlines ") == "two lines"
    assert title_of("я" * 100) == "я" * 59 + "…"
    assert title_of("${1+1}<b>") == "${1+1}<b>"
