"""The numbered steps from an empty database to today's tables. A step that was released is never changed.

Each step runs in one transaction together with the record that it was done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
)

from webui.errors import DatabaseBroken, DatabaseTooNew
from webui.history import fulltext
from webui.history.connection import Database
from webui.history.first import first_tables

MIGRATION = Table(
    "migration",
    MetaData(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False),
    Column("applied", Float, nullable=False),
)
"""Which steps were done, and when."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number, a name for the record, and what it does."""

    number: int
    name: str
    step: Callable[[Connection], None]


def _create_tables(connection: Connection) -> None:
    tables = first_tables()
    if taken := sorted(set(inspect(connection).get_table_names()) & set(tables.tables)):
        raise DatabaseBroken(reason=f"another program's table is in the way: {taken[0]}")
    tables.create_all(connection)
    connection.execute(
        insert(tables.tables["account"]).values(name="", owner=True, password_hash="", created=time.time())
    )


def _index_text(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        fulltext.create(connection, "message", "content", unless="state = 'writing'")
        fulltext.create(connection, "chat", "title")


def _create_api_keys(connection: Connection) -> None:
    tables = MetaData()
    Table("account", tables, Column("id", Integer, primary_key=True))
    Table(
        "api_key",
        tables,
        Column("id", Integer, primary_key=True),
        Column("account_id", Integer, ForeignKey("account.id"), nullable=False, index=True),
        Column("digest", String, nullable=False, unique=True),
        Column("created", Float, nullable=False),
        Column("label", String, nullable=False),
        Column("hint", String, nullable=False),
    ).create(connection)


def _add_revisions(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE tree ADD COLUMN revision INTEGER DEFAULT 0 NOT NULL")


def _create_choices(connection: Connection) -> None:
    tables = MetaData()
    Table("message", tables, Column("id", Integer, primary_key=True))
    Table(
        "token_choices",
        tables,
        Column("message_id", Integer, ForeignKey("message.id"), primary_key=True),
        Column("part", Integer, primary_key=True),
        Column("start", Integer, nullable=False),
        Column("packed", LargeBinary, nullable=False),
    ).create(connection)


MIGRATIONS = (
    Migration(1, "the tables, and account 1, the owner", _create_tables),
    Migration(2, "a full-text index, on SQLite", _index_text),
    Migration(3, "the keys of the API", _create_api_keys),
    Migration(4, "the revision of a tree", _add_revisions),
    Migration(5, "what was weighed at each token", _create_choices),
)


def version(connection: Connection) -> int:
    """Return the number of the last step that was done, 0 for an empty database."""
    if not inspect(connection).has_table(MIGRATION.name):
        return 0
    return connection.execute(select(func.max(MIGRATION.c.number))).scalar() or 0


def migrate(database: Database, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Do the steps that are not done yet. Raises `DatabaseTooNew` before anything is touched, and `HistoryFailed`."""
    with database.read() as connection:
        found = version(connection)
    if found > migrations[-1].number:
        raise DatabaseTooNew(found=found, known=migrations[-1].number)
    for migration in migrations:
        if migration.number > found:
            _apply(database, migration)


def _apply(database: Database, migration: Migration) -> None:
    with database.write() as connection:
        MIGRATION.create(connection, checkfirst=True)
        # Another process may have started at the same moment.
        if version(connection) < migration.number:
            migration.step(connection)
            record = {"number": migration.number, "name": migration.name, "applied": time.time()}
            connection.execute(insert(MIGRATION).values(record))
