"""Words are found by their beginnings, in Russian and English; nothing that is typed is an operator."""

import time

import pytest

from webui.history import search as module
from webui.history.store import History, Hit
from webui.history.words import read_words

OPERATORS = (
    "«", "»", '"', '""', "'", "*", "**", "(", ")", "NEAR(", "NEAR(a b)", "AND", "OR NOT", "a AND", "NOT", "-", "--",
    ";", "; DROP TABLE chat", "' OR 1=1 --", "owner:a1", 'body : "x"', "^a", "+", "{", "}", "\\", "%", "_", "a%",
    "%a%", "\0", "\ud800", "\n", " ", "", "x" * 10_000, "% _ \\", "\\%", "🫖", "?", ":limit", "$1",
)  # fmt: skip


def say(history: History, *texts: str, title: str = "untitled", account: int = 1) -> int:
    chat = history.create_chat(account, title).id
    tip = None
    for text in texts:
        tip = history.add_message(account, chat, tip, "user", text).id
    return chat


def plain(hit: Hit) -> str:
    return "".join(f"[{text}]" if matched else text for text, matched in hit.snippet)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Поставь самовар на стол", "самовара"), ("самоварами торгуют", "Самовар"), ("Всё ещё ёж", "все"),
        ("ЁЖИК В ТУМАНЕ", "ежик"), ("The Kettle boils", "kettles"), ("kettles", "KETTLE"), ("café crème", "cafe"),
        ("a b c", "c"), ("C++ and Rust", "rust c"), ("日本語の文章", "本語"), ("кипяток, чай", "чай кипяток"),
        ("100% sure", "100%"), ("snake_case", "snake_case"), ("under_score", "_"), ("a «quoted» word", "«quoted»"),
        ("arrow → here", "→"), ("тип\nстрока", "строка"), ("x\0y word", "word"),
    ],
)  # fmt: skip
def test_what_was_said_is_found(history: History, text: str, query: str) -> None:
    if "é" in text and not history._database.sqlite:
        pytest.skip("only SQLite's index folds accents")
    say(history, "something else entirely")
    chat = say(history, text)
    (hit,) = history.search(1, query, 10)
    assert hit.chat == chat and hit.message is not None
    assert any(matched for _, matched in hit.snippet)


@pytest.mark.parametrize("query", OPERATORS)
def test_nothing_is_an_operator(history: History, query: str) -> None:
    chat = say(history, "самовар kettle", title="чай")
    hits = history.search(1, query, 10)
    assert [hit for hit in hits if hit.chat != chat] == []
    assert history.search(1, "самовар", 10) and history.chat(1, chat).title == "чай"


@pytest.mark.parametrize("query", ["%", "_", "\\", "a%b", "a_b", "%%", "__"])
def test_wildcards_stand_for_themselves(history: History, query: str) -> None:
    say(history, "aXb plain text")
    chat = say(history, f"before {query} after")
    hits = history.search(1, query, 10)
    assert {hit.chat for hit in hits} == {chat}


def test_titles_come_first(history: History) -> None:
    inside = say(history, "about tea")
    titled = say(history, "nothing", title="Tea time")
    hits = history.search(1, "tea", 10)
    assert [(hit.chat, hit.message is None) for hit in hits] == [(titled, True), (inside, False)]
    assert plain(hits[0]) == "[Tea] time" and hits[1].title == "untitled"


def test_titles_leave_room_for_messages(history: History) -> None:
    for _ in range(10):
        say(history, "tea inside", title="tea")
    hits = history.search(1, "tea", 6)
    assert [hit.message is None for hit in hits] == [True] * 3 + [False] * 3
    assert len(history.search(1, "tea", 1)) == 1
    assert history.search(1, "tea", 0) == []
    for _ in range(4):
        say(history, title="coffee")
    assert len(history.search(1, "coffee", 3)) == 3


def test_the_newest_comes_first(history: History) -> None:
    chat = say(history, "tea one", "tea two", "tea three")
    assert [plain(hit) for hit in history.search(1, "tea", 2)] == ["[tea] three", "[tea] two"]
    assert {hit.chat for hit in history.search(1, "tea", 5)} == {chat}


def test_the_index_follows(history: History) -> None:
    chat = say(history, title="old title")
    node = history.add_message(1, chat, None, "assistant", "", state="writing")
    history.save_draft(node.id, "tea", "")
    assert history.search(1, "tea", 10) == []
    history.finish(node.id, "tea and coffee", "", "done", None)
    assert len(history.search(1, "coffee", 10)) == 1
    history.begin_draft(node.id)
    assert history.search(1, "coffee", 10) == []
    history.mark_cut()
    assert len(history.search(1, "coffee", 10)) == 1
    history.finish(node.id, "water", "", "done", None)
    assert history.search(1, "coffee", 10) == []
    history.hide(1, node.id)
    assert history.search(1, "water", 10) == []
    history.rename_chat(1, chat, "new title")
    assert history.search(1, "old", 10) == [] and len(history.search(1, "new", 10)) == 1
    history.delete_chat(1, chat)
    assert history.search(1, "new", 10) == []


def test_a_message_of_a_deleted_chat_is_found_in_its_branch(history: History) -> None:
    chat = say(history, "tea")
    message = history.search(1, "tea", 1)[0].message
    assert message is not None
    branch = history.branch(1, chat, message, "branch").id
    assert [hit.chat for hit in history.search(1, "tea", 5)] == [chat]
    assert [hit.chat for hit in history.search(1, "→tea"[1:], 5)] == [chat]
    history.delete_chat(1, chat)
    assert [hit.chat for hit in history.search(1, "tea", 5)] == [branch]
    history.delete_chat(1, branch)
    assert history.search(1, "tea", 5) == []


@pytest.mark.parametrize("query", ["tea", "→"])
def test_with_and_without_words_alike(history: History, query: str) -> None:
    """The search by LIKE obeys the same rules as the one by index."""
    chat = say(history, f"{query} first", title=f"{query} title")
    writing = history.add_message(1, chat, None, "assistant", f"{query} draft", state="writing")
    hidden = history.add_message(1, chat, None, "assistant", f"{query} hidden")
    history.hide(1, hidden.id)
    assert [hit.message is None for hit in history.search(1, query, 10)] == [True, False]
    history.finish(writing.id, f"{query} draft", "", "done", None)
    assert [plain(hit) for hit in history.search(1, query, 10)][1:] == [f"[{query}] draft", f"[{query}] first"]


def test_words_without_an_index(history: History) -> None:
    """What other databases than SQLite run."""
    chat = say(history, "Поставь самовар", "ещё чай", title="Самовары")
    words = read_words("самовара")
    with history._database.read() as connection:
        titles = module._titles(connection, 1, (), "Самовар", 10)
        messages = module._messages(connection, 1, words, "самовара", 10)
    assert [row["chat"] for row in titles] == [chat]
    assert [row["content"] for row in messages] == ["Поставь самовар"]


def test_a_long_message_is_shown_in_part(history: History) -> None:
    say(history, "word " * 500 + "needle " + "word " * 500)
    (hit,) = history.search(1, "needle", 10)
    text = "".join(piece for piece, _ in hit.snippet)
    assert len(text) < 250 and text.startswith("…") and text.endswith("…")
    assert ("needle", True) in hit.snippet


def test_the_words_of_others_cost_nothing(history: History, guest: int) -> None:
    for _ in range(300):
        say(history, "tea " * 50)
    say(history, "tea of mine", account=guest)
    began = time.perf_counter()
    assert len(history.search(guest, "tea", 10)) == 1
    assert time.perf_counter() - began < 0.1
