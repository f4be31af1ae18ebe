"""Nothing that was kept is lost: to a killed server, a full disk, many writers, or odd text."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError

from webui.errors import DatabaseUnavailable, StorageFull
from webui.history import connection as connections
from webui.history.store import History

WRITER = """
import sys
from webui.history.store import History
history = History(sys.argv[1])
chat = history.create_chat(1, "Tea").id
draft = history.add_message(1, chat, None, "assistant", "", state="writing").id
tip = None
for number in range(100_000):
    tip = history.add_message(1, chat, tip, "user", f"message {number} " * 50).id
    history.save_draft(draft, f"draft {number}", "")
    print(chat, draft, tip, number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 40])
def test_a_killed_server_loses_nothing_that_it_kept(url: str, lines: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            line = writer.stdout.readline()
        writer.kill()
        line = (writer.stdout.read().splitlines() or [line])[-1]
    chat, draft, tip, number = map(int, line.split())
    history = History(url)
    history.mark_cut()
    dialogue = history.dialogue(1, chat)
    path, at = [], dialogue.nodes[tip]
    while at.parent is not None:
        path.append(at)
        at = dialogue.nodes[at.parent]
    assert len(path) == number
    assert all(node.content.startswith("message ") for node in path)
    assert dialogue.nodes[draft].state == "cut"
    assert int(dialogue.nodes[draft].content.split()[1]) in (number, number + 1)
    with history._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        connection.exec_driver_sql("SELECT count(*) FROM message_index").scalar()
    assert history.search(1, "message", 1)[0].chat == chat
    history.close()


@pytest.mark.parametrize("history", ["sqlite"], indirect=True)
def test_the_log_is_written_ahead_and_rows_belong_together(history: History) -> None:
    with history._database.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 10_000}
    with pytest.raises(IntegrityError), history._database.write() as connection:
        connection.exec_driver_sql("INSERT INTO tree (id, account_id) VALUES (1, 77)")


def test_many_writers_and_readers_at_once(history: History) -> None:
    chats = [history.create_chat(1, f"chat {i}").id for i in range(8)]
    drafts = [history.add_message(1, chat, None, "assistant", "", state="writing").id for chat in chats]

    def work(at: int) -> None:
        tip = None
        for number in range(25):
            tip = history.add_message(1, chats[at], tip, "user", f"{at} {number}").id
            history.save_draft(drafts[at], f"draft {number}", "")
            history.save_counts({tip: number}, "t")
            history.set_setting(1, "shared", number)
            assert history.dialogue(1, chats[at]).tip == tip
            history.search(1, str(number), 5)
        history.finish(drafts[at], "done", "", "done", None)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, at) for at in range(8)]:
            done.result()
    for at, chat in enumerate(chats):
        dialogue = history.dialogue(1, chat)
        assert [node.content for node in dialogue.path] == [f"{at} {number}" for number in range(25)]
        assert dialogue.nodes[drafts[at]].content == "done"
        assert len(history.counts([node.id for node in dialogue.path], "t")) == 25


def test_a_reader_does_not_wait_for_a_writer(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with history._database.write() as connection:
            connection.exec_driver_sql("UPDATE chat SET title = 'half'")
            inside.set()
            assert leave.wait(5)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(5)
    assert history.chat(1, chat).title == "Tea"
    leave.set()
    writer.join()
    assert history.chat(1, chat).title == "half"


def test_two_servers_on_one_file_take_turns(url: str) -> None:
    one, two = History(url), History(url)
    chat = one.create_chat(1, "Tea").id

    def work(history: History, name: str) -> None:
        for number in range(20):
            history.add_message(1, chat, None, "user", f"{name} {number}")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, history, name) for history, name in ((one, "one"), (two, "two"))]:
            done.result()
    assert len(two.dialogue(1, chat).nodes) == 40
    one.close()
    two.close()


def test_a_file_locked_by_another_program_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(connections, "_PRAGMAS", ("journal_mode = WAL", "busy_timeout = 50", "foreign_keys = ON"))
    one, two = History(url), History(url)
    chat = one.create_chat(1, "Tea").id
    with one._database.write():
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            two.rename_chat(1, chat, "x")
        assert time.monotonic() - began < 5
    two.rename_chat(1, chat, "x")
    one.close()
    two.close()


@pytest.fixture
def crowded(url: str) -> Iterator[tuple[History, list[int]]]:
    """A history whose file may have no more pages than it has, while the list holds a number."""
    history = History(url)
    engine: Engine = history._database._engine
    limit: list[int] = []

    @event.listens_for(engine, "begin")
    def crowd(connection: object) -> None:
        pages = limit[0] if limit else 1 << 30
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

    yield history, limit
    history.close()


def test_a_full_disk_is_told_and_nothing_is_half_kept(crowded: tuple[History, list[int]]) -> None:
    history, limit = crowded
    chat = history.create_chat(1, "Tea").id
    node = history.add_message(1, chat, None, "assistant", "short", state="writing")
    before, dialogue = history.chat(1, chat), history.dialogue(1, chat)
    limit.append(1)
    for write in (
        lambda: history.add_message(1, chat, None, "user", "word " * 100_000),
        lambda: history.save_draft(node.id, "word " * 100_000, ""),
        lambda: history.finish(node.id, "word " * 100_000, "", "done", None),
        lambda: history.set_setting(1, "system", "word " * 100_000),
    ):
        with pytest.raises(StorageFull):
            write()
    assert history.chat(1, chat) == before and history.dialogue(1, chat) == dialogue
    limit.clear()
    history.finish(node.id, "word " * 100_000, "", "done", None)
    assert len(history.dialogue(1, chat).nodes[node.id].content) == 500_000


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""), ("a\0b", "a\ufffdb"), ("\0", "\ufffd"), ("lone \ud800 half", "lone \ufffd half"),
        ("\udc00", "\ufffd"),
        ("\ud83e\uded6", "🫖"), ("🫖 самовар\r\n\t", "🫖 самовар\r\n\t"), ("\uffff\ufeff\u202e", "\uffff\ufeff\u202e"),
        ("'; DROP TABLE chat; --", "'; DROP TABLE chat; --"), ("\x01\x7f\x85", "\x01\x7f\x85"),
    ],
)  # fmt: skip
def test_odd_text_is_kept_as_far_as_it_is_text(history: History, text: str, kept: str) -> None:
    chat = history.create_chat(1, "Tea", text).id
    node = history.add_message(1, chat, None, "user", text, reasoning=text)
    assert (node.content, node.reasoning) == (kept, kept)
    assert history.dialogue(1, chat).nodes[node.id] == node
    assert history.chat(1, chat).system == kept
    history.finish(node.id, text, text, "done", None)
    history.set_system(1, chat, text)
    assert history.dialogue(1, chat).nodes[node.id] == node
    history.begin_draft(node.id)
    history.save_draft(node.id, text, text)
    assert history.dialogue(1, chat).nodes[node.id].content == kept


def test_a_message_of_five_megabytes(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    text = "самовар needle " + "слово " * 500_000
    assert len(text.encode()) > 5_000_000
    node = history.add_message(1, chat, None, "user", text)
    assert history.dialogue(1, chat).nodes[node.id].content == text
    (hit,) = history.search(1, "needle", 5)
    assert hit.message == node.id and sum(len(piece) for piece, _ in hit.snippet) < 250


def test_a_draft_is_cheap(history: History) -> None:
    chat = history.create_chat(1, "Tea").id
    for i in range(300):
        history.add_message(1, chat, None, "user", f"{i} " * 200)
    node = history.add_message(1, chat, None, "assistant", "", state="writing").id
    took = []
    for number in range(30):
        began = time.perf_counter()
        history.save_draft(node, "word " * 1000 + str(number), "")
        took.append(time.perf_counter() - began)
    assert sorted(took)[15] < 0.02


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path / 'made' / 'samovar.db'}")
    history.close()
    if sys.platform != "win32":
        assert (tmp_path / "made").stat().st_mode & 0o077 == 0
