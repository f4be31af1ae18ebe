"""Chats in SQL: pointers into trees. Every function works within the transaction of the connection it is given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from webui.errors import NotFound
from webui.history import messages
from webui.history.tables import ACCOUNT, CHAT, TREE
from webui.history.text import asked, clean_title, storable
from webui.history.values import Chat

_WHAT = "chat"
_UNTITLED = "…"
_COLUMNS = tuple(CHAT.c[name] for name in ("id", "title", "system", "tip_id", "created", "updated", "tree_id"))
MINE = (CHAT.c.id == bindparam("chat"), CHAT.c.account_id == bindparam("account"), CHAT.c.deleted.is_(None))
"""The condition for a chat that an account may see."""
# Made once, as the making takes longer than the asking.
_FOUND = select(*_COLUMNS).where(*MINE)


def create(connection: Connection, account: int, title: str, system: str, now: float) -> Chat:
    """Make a chat with an empty tree of its own. Raises `NotFound` (account)."""
    there = select(ACCOUNT.c.id).where(ACCOUNT.c.id == account, ACCOUNT.c.removed.is_(None))
    if connection.execute(there).first() is None:
        raise NotFound(what="account")
    tree = _key(connection.execute(insert(TREE).values(account_id=account)).inserted_primary_key)
    return _add(connection, account, tree, None, title, system, now)


def branch(connection: Connection, account: int, chat: int, message: int, title: str, now: float) -> Chat:
    """Make another chat in the tree of one, whose tip is a message of it. Raises `NotFound`."""
    left = find(connection, account, chat)
    messages.check_in_tree(connection, left.tree, message)
    return _add(connection, account, left.tree, message, title, left.system, now)


def find(connection: Connection, account: int, chat: int) -> Chat:
    """Return a chat that is not deleted. Raises `NotFound`."""
    row = connection.execute(_FOUND, {"chat": asked(chat, _WHAT), "account": account}).first()
    if row is None:
        raise NotFound(what=_WHAT)
    return _chat(row)


def listed(connection: Connection, account: int, limit: int, before: float | None) -> list[Chat]:
    """Return the chats that are not deleted, the last used first, from before a moment if one is given."""
    statement = select(*_COLUMNS).where(CHAT.c.account_id == account, CHAT.c.deleted.is_(None))
    if before is not None:
        statement = statement.where(CHAT.c.updated < before)
    statement = statement.order_by(CHAT.c.updated.desc(), CHAT.c.id.desc()).limit(max(0, limit))
    return [_chat(row) for row in connection.execute(statement)]


def change(connection: Connection, account: int, chat: int, deleted_too: bool = False, **values: Any) -> None:
    """Set columns of a chat, with `deleted_too` of one that may be deleted. Raises `NotFound`."""
    statement = update(CHAT).where(CHAT.c.id == asked(chat, _WHAT), CHAT.c.account_id == account)
    if not deleted_too:
        statement = statement.where(CHAT.c.deleted.is_(None))
    if not connection.execute(statement.values(values)).rowcount:
        raise NotFound(what=_WHAT)


def is_shared(connection: Connection, chat: Chat, message: int) -> bool:
    """Whether the path of another chat of the tree holds a message."""
    others = (CHAT.c.tree_id == chat.tree, CHAT.c.id != chat.id, CHAT.c.deleted.is_(None))
    tips = connection.execute(select(CHAT.c.tip_id).where(*others)).scalars().all()
    if not tips:
        return False
    # Walked here: the recursive SQL for it has no index to go by, and would read the tree once for each generation.
    parents = messages.parents(connection, chat.tree)
    seen: set[int | None] = {None}
    for at in tips:
        while at not in seen:
            if at == message:
                return True
            seen.add(at)
            at = parents[at]
    return False


def _add(connection: Connection, account: int, tree: int, tip: int | None, title: str, system: str,
         now: float) -> Chat:  # fmt: skip
    title, system = clean_title(title) or _UNTITLED, storable(system)
    values = {
        "account_id": account, "tree_id": tree, "tip_id": tip, "created": now, "updated": now, "title": title,
        "system": system,
    }  # fmt: skip
    key = _key(connection.execute(insert(CHAT).values(values)).inserted_primary_key)
    return Chat(key, title, system, tip, now, now, tree)


def _chat(row: Row[Any]) -> Chat:
    return Chat(row.id, row.title, row.system, row.tip_id, row.created, row.updated, row.tree_id)


def _key(row: Row[Any] | None) -> int:
    assert row is not None
    return int(row[0])
