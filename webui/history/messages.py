"""Messages in SQL. Every function works within the transaction of the connection that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from backends.values import Role
from webui.dialogue import Made, Node, State
from webui.errors import NotFound
from webui.history.made import read_made, write_made
from webui.history.tables import MESSAGE, TREE
from webui.history.text import asked, storable
from webui.history.values import Chat

ReadMade = Callable[[str], Made | None]

_WHAT = "message"
_NODE = tuple(
    MESSAGE.c[name]
    for name in ("id", "parent_id", "role", "content", "reasoning", "state", "hidden", "created", "made")
)
# Made once, as the making takes longer than the asking.
_OF_TREE = select(*_NODE).where(MESSAGE.c.tree_id == bindparam("tree")).order_by(MESSAGE.c.id)
_ONE = select(*_NODE).where(MESSAGE.c.id == bindparam("message"))
_IN_TREE = select(MESSAGE.c.id).where(MESSAGE.c.id == bindparam("message"), MESSAGE.c.tree_id == bindparam("tree"))


def read_nodes(connection: Connection, tree: int, read: ReadMade = read_made) -> dict[int, Node]:
    """Return the messages of a tree by their ids, the oldest first."""
    rows = connection.execute(_OF_TREE, {"tree": tree})
    return {row[0]: _node(row, read) for row in rows}


def read_node(connection: Connection, message: int, read: ReadMade = read_made) -> Node:
    """Return one message that exists."""
    return _node(connection.execute(_ONE, {"message": message}).one(), read)


def _node(row: Sequence[Any], read: ReadMade) -> Node:
    id_, parent, role, content, reasoning, state, hidden, created, made = row
    return Node(id_, parent, role, content, reasoning, state, hidden, created, made and read(made))


def add(connection: Connection, account: int, chat: Chat, parent: int | None, role: Role, content: str,
        reasoning: str, state: State, made: Made | None, created: float) -> Node:  # fmt: skip
    """Add a message below `parent`, or a root. Raises `NotFound` for a parent that is not in the chat's tree."""
    if parent is not None:
        check_in_tree(connection, chat.tree, parent)
    content, reasoning = storable(content), storable(reasoning)
    values = {
        "account_id": account, "tree_id": chat.tree, "chat_id": chat.id, "parent_id": parent, "role": role,
        "state": state, "hidden": False, "created": created, "made": write_made(made), "content": content,
        "reasoning": reasoning,
    }  # fmt: skip
    key = connection.execute(insert(MESSAGE), values).inserted_primary_key
    assert key is not None
    return Node(key[0], parent, role, content, reasoning, state, False, created, made)


def check_in_tree(connection: Connection, tree: int, message: int) -> None:
    """Raise `NotFound` unless a message is in a tree."""
    if connection.execute(_IN_TREE, {"message": asked(message, _WHAT), "tree": tree}).first() is None:
        raise NotFound(what=_WHAT)


def parents(connection: Connection, tree: int) -> Mapping[int, int | None]:
    """Return the parent of each message of a tree."""
    rows = connection.execute(select(MESSAGE.c.id, MESSAGE.c.parent_id).where(MESSAGE.c.tree_id == tree))
    return {row.id: row.parent_id for row in rows}


def change(connection: Connection, message: int, account: int | None = None, **values: Any) -> None:
    """Set columns of a message, of an account's if one is given. Raises `NotFound`."""
    statement = update(MESSAGE).where(MESSAGE.c.id == asked(message, _WHAT))
    if account is not None:
        statement = statement.where(MESSAGE.c.account_id == account)
    if not connection.execute(statement.values(values)).rowcount:
        raise NotFound(what=_WHAT)


def save_draft(connection: Connection, message: int, text: str, reasoning: str) -> bool:
    """Keep the text of a message that is still being written, and return whether it is; one that ended stays."""
    still = (MESSAGE.c.id == message, MESSAGE.c.state == "writing")
    values = {"content": storable(text), "reasoning": storable(reasoning)}
    return bool(connection.execute(update(MESSAGE).where(*still).values(values)).rowcount)


def mark_cut(connection: Connection) -> None:
    """Mark every message that is being written as cut."""
    writing = MESSAGE.c.state == "writing"
    trees = select(MESSAGE.c.tree_id).where(writing)
    connection.execute(update(TREE).where(TREE.c.id.in_(trees)).values(revision=TREE.c.revision + 1))
    connection.execute(update(MESSAGE).where(writing).values(state="cut"))
