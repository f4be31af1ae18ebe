"""Chats, trees, drafts, settings and counts: what goes in comes out."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.values import Timings, Usage
from webui.dialogue import Made, Node, State
from webui.errors import BadName, NotFound
from webui.history import messages
from webui.history.store import History

MADE = Made(
    "SmolLM2", "f" * 64, {"temperature": 0.7, "stop": ["«", "\ud800"]}, 42, Usage(10, 4, 20), Timings(0.1, 0.2, 0.3),
    "engine_failed", {"reason": "out of breath", "count": 3},
)  # fmt: skip


def exchange(history: History, chat: int, parent: int | None = None) -> tuple[Node, Node]:
    mine = history.add_message(1, chat, parent, "user", "question")
    return mine, history.add_message(1, chat, mine.id, "assistant", "answer", made=MADE)


def test_a_chat_is_made_and_read(history: History) -> None:
    before = time.time()
    chat = history.create_chat(1, "Tea", "Be brief.")
    assert history.chat(1, chat.id) == chat
    assert (chat.title, chat.system, chat.tip) == ("Tea", "Be brief.", None)
    assert before <= chat.created == chat.updated <= time.time()
    assert history.dialogue(1, chat.id).path == ()


def test_the_last_used_chat_comes_first(url: str) -> None:
    clock = itertools.count(1.0)
    history = History(url, clock=lambda: next(clock))
    one, two, three = (history.create_chat(1, title).id for title in "abc")
    history.add_message(1, one, None, "user", "again")
    assert [chat.id for chat in history.chats(1)] == [one, three, two]
    history.rename_chat(1, two, "renamed")
    history.set_system(1, two, "x")
    history.set_tip(1, two, None)
    assert [chat.id for chat in history.chats(1)] == [one, three, two], "only what is said counts as use"
    assert [chat.id for chat in history.chats(1, limit=2)] == [one, three]
    older = history.chats(1, before=history.chat(1, three).updated)
    assert [chat.id for chat in older] == [two]
    history.close()


def test_a_deleted_chat_is_out_of_reach_until_it_is_restored(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    node, _ = exchange(history, chat)
    dialogue = history.dialogue(1, chat)
    history.delete_chat(1, chat)
    assert history.chats(1) == []
    commands: tuple[Callable[[], object], ...] = (
        lambda: history.chat(1, chat), lambda: history.dialogue(1, chat), lambda: history.rename_chat(1, chat, "x"),
        lambda: history.add_message(1, chat, None, "user", "x"), lambda: history.set_tip(1, chat, node.id),
        lambda: history.branch(1, chat, node.id, "x"), lambda: history.set_system(1, chat, "x"),
    )  # fmt: skip
    for command in commands:
        with pytest.raises(NotFound):
            command()
    history.restore_chat(1, chat)
    assert history.dialogue(1, chat) == dialogue


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("  Tea  ", "Tea"), ("two\nlines\tand more", "two lines and more"), ("a\0b\x1b[31mc", "ab[31mc"),
        ("я" * 300, "я" * 200), ("${1+1}<b> ../'\"", "${1+1}<b> ../'\""), ("\ud800x", "x"), ("👨‍👩‍👧", "👨‍👩‍👧"),
        ("a \0 b", "a b"),
    ],
)  # fmt: skip
def test_titles_are_one_line(history: History, title: str, kept: str) -> None:
    chat = history.create_chat(1, "old").id
    history.rename_chat(1, chat, title)
    assert history.chat(1, chat).title == kept
    assert history.create_chat(1, title).title == kept


@pytest.mark.parametrize("title", ["", " \n", "\0\0"])
def test_a_title_is_needed(history: History, title: str) -> None:
    chat = history.create_chat(1, "old").id
    with pytest.raises(BadName) as refused:
        history.rename_chat(1, chat, title)
    assert refused.value.details["reason"] == "empty"
    assert history.chat(1, chat).title == "old"
    assert history.create_chat(1, title).title == "…", "a chat is never refused for its title"


def test_a_reply_keeps_what_made_it(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    mine, reply = exchange(history, chat)
    dialogue = history.dialogue(1, chat)
    assert [node.id for node in dialogue.path] == [mine.id, reply.id]
    kept = dialogue.nodes[reply.id]
    assert kept.made is not None
    assert kept.made.usage == MADE.usage and kept.made.timings == MADE.timings
    assert (kept.made.model, kept.made.seed, kept.made.error) == (MADE.model, 42, "engine_failed")
    assert kept.made.sampling == {"temperature": 0.7, "stop": ["«", "\ufffd"]}
    assert kept.made.error_details == {"reason": "out of breath", "count": 3}
    assert dialogue.nodes[mine.id] == mine and mine.made is None


@pytest.mark.parametrize("history", ["sqlite"], indirect=True)
def test_what_cannot_be_read_of_a_reply_does_not_hide_the_dialogue(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    _, reply = exchange(history, chat)
    for made in ("not JSON", "[]", '{"colour": "red"}', '{"usage": {"tokens": 1}}', "null"):
        with history._database.write() as connection:
            connection.exec_driver_sql("UPDATE message SET made = ? WHERE id = ?", (made, reply.id))
        assert history.dialogue(1, chat).nodes[reply.id].made is None


def test_a_tree_has_versions_and_branches(history: History) -> None:
    chat = history.create_chat(1, "Tea", "system").id
    mine, first = exchange(history, chat)
    second = history.add_message(1, chat, mine.id, "assistant", "other answer")
    dialogue = history.dialogue(1, chat)
    assert dialogue.versions(second.id) == (first.id, second.id)
    assert dialogue.tip == second.id
    branch = history.branch(1, chat, first.id, "Branch")
    assert (branch.tip, branch.system, branch.title) == (first.id, "system", "Branch")
    assert branch.tree == history.chat(1, chat).tree
    later = history.add_message(1, branch.id, first.id, "user", "later")
    assert [node.id for node in history.dialogue(1, branch.id).path] == [mine.id, first.id, later.id]
    assert [node.id for node in history.dialogue(1, chat).path] == [mine.id, second.id]


def test_a_message_may_be_added_aside(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    mine, reply = exchange(history, chat)
    aside = history.add_message(1, chat, mine.id, "assistant", "aside", move_tip=False)
    assert history.dialogue(1, chat).tip == reply.id
    assert aside.id in history.dialogue(1, chat).nodes


def test_the_tip_moves_within_its_tree_only(history: History) -> None:
    chat, other = history.create_chat(1, "Tea").id, history.create_chat(1, "Coffee").id
    mine, _ = exchange(history, chat)
    foreign, _ = exchange(history, other)
    history.set_tip(1, chat, mine.id)
    assert history.dialogue(1, chat).tip == mine.id
    history.set_tip(1, chat, None)
    assert history.dialogue(1, chat).path == ()
    commands: tuple[Callable[[], object], ...] = (
        lambda: history.set_tip(1, chat, foreign.id),
        lambda: history.set_tip(1, chat, 10_000),
        lambda: history.add_message(1, chat, foreign.id, "user", "x"),
        lambda: history.branch(1, chat, foreign.id, "x"),
        lambda: history.shared_tip(1, chat, foreign.id),
    )
    for command in commands:
        with pytest.raises(NotFound):
            command()
    assert history.dialogue(1, chat).tip is None


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 10**30])
def test_impossible_ids_are_not_found(history: History, number: int) -> None:
    chat = history.create_chat(1, "Tea").id
    commands: tuple[Callable[[], object], ...] = (
        lambda: history.chat(1, number), lambda: history.dialogue(1, number), lambda: history.hide(1, number),
        lambda: history.set_tip(1, chat, number), lambda: history.add_message(1, chat, number, "user", "x"),
        lambda: history.begin_draft(number), lambda: history.restore_chat(1, number),
    )  # fmt: skip
    for command in commands:
        with pytest.raises(NotFound):
            command()


def test_hidden_messages_are_no_versions(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    mine, first = exchange(history, chat)
    second = history.add_message(1, chat, mine.id, "assistant", "other")
    history.hide(1, first.id)
    assert history.dialogue(1, chat).versions(second.id) == (second.id,)
    history.hide(1, first.id, hidden=False)
    assert history.dialogue(1, chat).versions(second.id) == (first.id, second.id)


def test_a_draft_is_saved_and_finished(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    node = history.add_message(1, chat, None, "assistant", "", state="writing")
    history.begin_draft(node.id)
    history.save_draft(node.id, "half", "thinking")
    kept = history.dialogue(1, chat).nodes[node.id]
    assert (kept.content, kept.reasoning, kept.state) == ("half", "thinking", "writing")
    history.finish(node.id, "whole", "thought", "done", MADE)
    kept = history.dialogue(1, chat).nodes[node.id]
    assert (kept.content, kept.reasoning, kept.state) == ("whole", "thought", "done")
    assert kept.made is not None and kept.made.seed == 42


def test_a_late_draft_changes_nothing(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    node = history.add_message(1, chat, None, "assistant", "", state="writing")
    history.finish(node.id, "whole", "", "stopped", None)
    history.save_draft(node.id, "half", "")
    history.save_draft(10_000, "nobody's", "")
    assert history.dialogue(1, chat).nodes[node.id].content == "whole"


def test_a_finished_reply_can_go_on(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    _, reply = exchange(history, chat)
    history.begin_draft(reply.id)
    history.save_draft(reply.id, "answer, and", "")
    kept = history.dialogue(1, chat).nodes[reply.id]
    assert (kept.state, kept.content) == ("writing", "answer, and")
    assert kept.made is not None, "what made the first part stays until the end"


@pytest.mark.parametrize("state", ["writing", "done", "stopped", "length", "failed", "cut"])
def test_only_what_was_being_written_is_marked_as_cut(history: History, state: State) -> None:
    chat = history.create_chat(1, "Tea").id
    node = history.add_message(1, chat, None, "assistant", "half", state=state)
    history.mark_cut()
    kept = history.dialogue(1, chat).nodes[node.id]
    assert (kept.state, kept.content) == ("cut" if state == "writing" else state, "half")


def test_a_tip_is_shared_when_another_path_holds_it(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    mine, reply = exchange(history, chat)
    more, answer = exchange(history, chat, reply.id)
    assert not any(history.shared_tip(1, chat, node.id) for node in (mine, reply, more, answer))
    branch = history.branch(1, chat, reply.id, "Branch").id
    assert [history.shared_tip(1, chat, node.id) for node in (mine, reply, more, answer)] == [True, True, False, False]
    assert [history.shared_tip(1, branch, node.id) for node in (mine, reply, more, answer)] == [True] * 4
    history.delete_chat(1, branch)
    assert not history.shared_tip(1, chat, reply.id)
    history.set_tip(1, chat, None)
    history.restore_chat(1, branch)
    assert not history.shared_tip(1, branch, reply.id)


def test_settings_are_json(history: History) -> None:
    assert history.setting(1, "levers", {"a": 1}) == {"a": 1}
    for value in ({"ё": [1, 2.5, None, True]}, "text", "", 0, [], None, "\0\ud800"):
        history.set_setting(1, "levers", value)
        assert history.setting(1, "levers", "none") == ("\0\ufffd" if value == "\0\ud800" else value)
    assert history.setting(1, "other", None) is None
    with pytest.raises(TypeError):
        history.set_setting(1, "levers", object())


def test_counts_are_by_tokenizer(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    one, two = exchange(history, chat)
    history.save_counts({one.id: 5, two.id: 7, 10_000: 9}, "a")
    history.save_counts({one.id: 6}, "b")
    assert history.counts([one.id, two.id, 10_000], "a") == {one.id: 5, two.id: 7}
    assert history.counts([one.id, two.id], "b") == {one.id: 6}
    history.save_counts({one.id: 8}, "a")
    assert history.counts([one.id, two.id], "a") == {one.id: 8, two.id: 7}
    assert history.counts([], "a") == {}
    history.save_counts({}, "a")
    history.save_counts({10_000: 1}, "a")


def test_what_goes_on_is_counted_anew(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    one, two = exchange(history, chat)
    history.save_counts({one.id: 5, two.id: 7}, "a")
    history.begin_draft(two.id)
    assert history.counts([one.id, two.id], "a") == {one.id: 5}
    history.save_counts({two.id: 8}, "a")
    history.finish(two.id, "longer", "", "done", None)
    assert history.counts([one.id, two.id], "a") == {one.id: 5}


def test_many_counts_at_once(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    ids = [history.add_message(1, chat, None, "user", str(i)).id for i in range(50)]
    history.save_counts({**dict.fromkeys(range(100_000, 140_000), 1), **dict.fromkeys(ids, 3)}, "a")
    assert history.counts([*range(100_000, 140_000), *ids], "a") == dict.fromkeys(ids, 3)


@pytest.mark.parametrize("history", ["sqlite"], indirect=True)
def test_a_long_dialogue_is_read_fast(history: History) -> None:
    chat = history.create_chat(1, "Tea")
    with history._database.write() as connection:
        made = '{"model": "m", "seed": 1, "usage": {"prompt_tokens": 1, "cached_tokens": 1, "completion_tokens": %d}}'
        connection.exec_driver_sql(
            "INSERT INTO message (id, account_id, tree_id, chat_id, parent_id, role, state, hidden, created, made,"
            " content, reasoning) VALUES (?, 1, ?, ?, ?, ?, 'done', 0, 1.0, ?, ?, '')",
            [
                (i, chat.tree, chat.id, i - 1 or None, ("assistant", "user")[i % 2], made % i if i % 2 else None,
                 "слово " * 60)
                for i in range(1, 2001)
            ],
        )  # fmt: skip
    history.set_tip(1, chat.id, 2000)
    assert len(history.dialogue(1, chat.id).path) == 2000
    took = []
    for _ in range(5):
        began = time.perf_counter()
        history.dialogue(1, chat.id)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05, "15 ms on an idle machine"


def test_other_kinds_of_history(tmp_path: Path) -> None:
    for url in ("sqlite://", "sqlite:///:memory:", f"sqlite:///{tmp_path / 'новый' / 'ä b.db'}"):
        history = History(url)
        chat = history.create_chat(1, "Tea").id
        exchange(history, chat)
        assert len(history.dialogue(1, chat).path) == 2
        history.close()


@pytest.mark.parametrize("history", ["sqlite"], indirect=True)
def test_a_dialogue_is_read_once_and_stays_true(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = messages.read_nodes

    def read_nodes(connection: Any, tree: int, made: Any) -> Any:
        read.append(tree)
        return real(connection, tree, made)

    monkeypatch.setattr(messages, "read_nodes", read_nodes)
    chat = history.create_chat(1, "one").id
    first = history.add_message(1, chat, None, "user", "hello")
    history.dialogue(1, chat)
    reply = history.add_message(1, chat, first.id, "assistant", "", state="writing")
    history.begin_draft(reply.id)
    history.save_draft(reply.id, "half", "")
    assert history.dialogue(1, chat).nodes[reply.id].content == "half"
    history.finish(reply.id, "whole", "", "done", None)
    history.hide(1, first.id)
    kept = history.dialogue(1, chat)
    assert len(read) == 1, "what is kept follows every change of ours"
    with history._database.read() as connection:
        assert kept.nodes == real(connection, 1)
    assert history._database.file is not None
    other = History(f"sqlite:///{history._database.file}")
    other.add_message(1, chat, reply.id, "user", "from elsewhere")
    other.close()
    assert [node.content for node in history.dialogue(1, chat).path] == ["hello", "whole", "from elsewhere"]
    history.save_draft(reply.id, "too late", "")
    assert history.dialogue(1, chat).nodes[reply.id].content == "whole"
    assert len(read) == 2
