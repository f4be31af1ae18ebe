"""From any older version to today's tables; a newer or foreign file is left as it is."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from webui.errors import DatabaseBroken, DatabaseTooNew, DatabaseUnavailable
from webui.history.connection import Database
from webui.history.migrations import MIGRATIONS, Migration, migrate, version
from webui.history.store import History
from webui.history.tables import METADATA


def definitions(file: Path) -> dict[str, str]:
    """Return the SQL of every table and index of ours, however it is laid out."""
    made = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    with closing(sqlite3.connect(file)) as connection:
        return {name: " ".join(sql.split()) for name, sql in connection.execute(made)}


def test_all_steps_make_todays_tables(tmp_path: Path) -> None:
    History(f"sqlite:///{tmp_path / 'a.db'}").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'b.db'}")
    METADATA.create_all(engine)
    engine.dispose()
    migrated, today = definitions(tmp_path / "a.db"), definitions(tmp_path / "b.db")
    assert {"api_key", "ix_api_key_account_id", "ix_message_writing"} <= set(today)
    assert {name: migrated[name] for name in today} == today


def test_steps_are_numbered_from_one() -> None:
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_there_is_an_owner_from_the_beginning(history: History) -> None:
    (owner,) = history.people.people()
    assert (owner.id, owner.owner, owner.name, owner.password_hash) == (1, True, "", "")


def test_an_old_database_is_brought_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    old = Database(url)
    migrate(old, MIGRATIONS[:1])
    with old.write() as connection:
        connection.exec_driver_sql("INSERT INTO tree VALUES (1, 1)")
        connection.exec_driver_sql(
            "INSERT INTO message (account_id, tree_id, chat_id, role, state, hidden, created, content, reasoning)"
            " VALUES (1, 1, 1, 'user', 'done', 0, 1.0, 'an old самовар', ''),"
            " (1, 1, 1, 'assistant', 'writing', 0, 1.0, 'half a чайник', '')"
        )
        connection.exec_driver_sql(
            "INSERT INTO chat (account_id, tree_id, tip_id, created, updated, title, system)"
            " VALUES (1, 1, 2, 1.0, 1.0, 'an old title', '')"
        )
        assert version(connection) == 1
    old.close()
    history = History(url)
    assert [node.content for node in history.dialogue(1, 1).nodes.values()] == ["an old самовар", "half a чайник"]
    assert [hit.message for hit in history.search(1, "old", 5)] == [None, 1]
    assert [hit.message for hit in history.search(1, "самовары", 5)] == [1]
    assert history.search(1, "чайник", 5) == []
    history.mark_cut()
    assert [hit.message for hit in history.search(1, "чайник", 5)] == [2]
    history.close()


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "samovar.db"
    History(f"sqlite:///{file}").close()
    before = definitions(file)
    history = History(f"sqlite:///{file}")
    assert len(history.people.people()) == 1
    history.close()
    assert definitions(file) == before


def test_a_step_that_fails_is_undone_as_a_whole(tmp_path: Path) -> None:
    def fails(connection: object) -> None:
        connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")  # type: ignore[attr-defined]
        raise ZeroDivisionError

    database = Database(f"sqlite:///{tmp_path / 'samovar.db'}")
    with pytest.raises(ZeroDivisionError):
        migrate(database, (*MIGRATIONS, Migration(len(MIGRATIONS) + 1, "fails", fails)))
    with database.read() as connection:
        assert version(connection) == len(MIGRATIONS)
    database.close()
    assert "half" not in definitions(tmp_path / "samovar.db")


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "samovar.db"
    History(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO migration VALUES (99, 'from the future', 1.0)")
        connection.commit()
    before = file.read_bytes()
    with pytest.raises(DatabaseTooNew) as refused:
        History(f"sqlite:///{file}")
    assert refused.value.details == {"found": 99, "known": len(MIGRATIONS)}
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database at all, but a letter\n" * 100, b"SQLite format 3\0" + b"\1" * 5000]
)
def test_a_broken_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "samovar.db"
    file.write_bytes(content)
    with pytest.raises(DatabaseBroken):
        History(f"sqlite:///{file}")
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    file = tmp_path / "samovar.db"
    history = History(f"sqlite:///{file}")
    chat = history.create_chat(1, "Tea").id
    for i in range(200):
        history.add_message(1, chat, None, "user", f"{i} " * 500)
    history.close()
    data = file.read_bytes()
    assert len(data) > 100_000
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(DatabaseBroken):
        history = History(f"sqlite:///{file}")
        try:
            history.dialogue(1, chat)
        finally:
            history.close()


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE message (text)")
        connection.execute("INSERT INTO message VALUES ('theirs')")
        connection.commit()
    with pytest.raises(DatabaseBroken):
        History(f"sqlite:///{file}")
    assert list(definitions(file)) == ["message"]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM message").fetchall() == [("theirs",)]


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x", "sqlite:////proc/nowhere/x.db", "postgresql+nosuch://x/y"])
def test_an_address_that_leads_nowhere_is_told(url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        History(url)


def test_a_copy_of_the_file_is_a_backup(tmp_path: Path) -> None:
    history = History(f"sqlite:///{tmp_path / 'a.db'}")
    chat = history.create_chat(1, "Tea").id
    history.close()
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    copy = History(f"sqlite:///{tmp_path / 'b.db'}")
    assert copy.chat(1, chat).title == "Tea"
    copy.close()
