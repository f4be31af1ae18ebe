"""The tables of the first migration, as they were then. Never changed: what came later is in later migrations."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, text


def first_tables() -> MetaData:
    """Return the tables of schema version 1."""
    tables = MetaData()
    _people(tables)
    _messages(tables)
    Table(
        "token_count",
        tables,
        Column("message_id", Integer, ForeignKey("message.id"), primary_key=True),
        Column("tokenizer", String, primary_key=True),
        _column("tokens", Integer),
    )
    Table("setting", tables, _owner(primary_key=True), Column("key", String, primary_key=True), _column("value", Text))
    return tables


def _people(tables: MetaData) -> None:
    Table(
        "account",
        tables,
        _id(),
        _column("name", String),
        Column("key", String, unique=True),
        _column("owner", Boolean),
        _column("password_hash", String),
        _column("created", Float),
        Column("removed", Float),
    )
    Table(
        "session",
        tables,
        Column("digest", String, primary_key=True),
        _owner(index=True),
        _column("created", Float),
        _column("expires", Float),
    )
    Table(
        "invitation",
        tables,
        Column("digest", String, primary_key=True),
        _column("created", Float),
        _column("expires", Float),
        Column("account_id", Integer, ForeignKey("account.id")),
    )


def _messages(tables: MetaData) -> None:
    writing = text("state = 'writing'")
    Table("tree", tables, _id(), _owner())
    Table(
        "message",
        tables,
        _id(),
        _owner(),
        Column("tree_id", Integer, ForeignKey("tree.id"), nullable=False, index=True),
        _column("chat_id", Integer),
        Column("parent_id", Integer, ForeignKey("message.id")),
        _column("role", String),
        _column("state", String),
        _column("hidden", Boolean),
        _column("created", Float),
        Column("made", Text),
        _column("content", Text),
        _column("reasoning", Text),
        Index("ix_message_writing", "id", sqlite_where=writing, postgresql_where=writing),
    )
    Table(
        "chat",
        tables,
        _id(),
        _owner(),
        Column("tree_id", Integer, ForeignKey("tree.id"), nullable=False, index=True),
        Column("tip_id", Integer, ForeignKey("message.id")),
        _column("created", Float),
        _column("updated", Float),
        Column("deleted", Float),
        _column("title", String),
        _column("system", Text),
        Index("ix_chat_account_updated", "account_id", "updated"),
    )


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


def _owner(*, primary_key: bool = False, index: bool | None = None) -> Column[int]:
    return Column("account_id", Integer, ForeignKey("account.id"), nullable=False, primary_key=primary_key, index=index)


def _column(name: str, kind: type) -> Column[object]:
    return Column(name, kind, nullable=False)
