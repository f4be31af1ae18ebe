"""The trees that were read last, kept in memory by their revision: a long dialogue is not read again for each word.

Every change of a message raises the revision of its tree in the same transaction, so what is kept is never older than
the database, whoever else writes to it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from webui.dialogue import Dialogue, Node
from webui.errors import NotFound
from webui.history import messages
from webui.history.chats import MINE
from webui.history.messages import ReadMade
from webui.history.tables import CHAT, MESSAGE, TREE
from webui.history.text import asked

_KEPT = 32

# Made once, as the making takes longer than the asking.
_FOUND = (
    select(CHAT.c.tip_id, TREE.c.id, TREE.c.revision).join_from(CHAT, TREE, CHAT.c.tree_id == TREE.c.id).where(*MINE)
)
_RAISED = (
    update(TREE)
    .where(TREE.c.id == select(MESSAGE.c.tree_id).where(MESSAGE.c.id == bindparam("message")).scalar_subquery())
    .values(revision=TREE.c.revision + 1)
    .returning(TREE.c.id, TREE.c.revision)
)


@dataclass(frozen=True, slots=True)
class Change:
    """A message as it is after a write, and the revision that its tree got by it."""

    tree: int
    revision: int
    node: Node


class Trees:
    """Reads dialogues. Thread-safe; `read` turns a stored `made` into its value."""

    def __init__(self, read: ReadMade) -> None:
        self._read = read
        self._kept: OrderedDict[int, tuple[int, Mapping[int, Node]]] = OrderedDict()
        self._lock = threading.Lock()

    def dialogue(self, connection: Connection, account: int, chat: int) -> Dialogue:
        """Return a chat's whole tree and its tip. Raises `NotFound` (chat)."""
        row = connection.execute(_FOUND, {"chat": asked(chat, "chat"), "account": account}).first()
        if row is None:
            raise NotFound(what="chat")
        tip, tree, revision = row
        with self._lock:
            kept = self._kept.get(tree)
        if kept is not None and kept[0] == revision and (tip is None or tip in kept[1]):
            nodes = kept[1]
        else:
            nodes = messages.read_nodes(connection, tree, self._read)
        self._keep(tree, revision, nodes)
        return Dialogue(nodes, tip)

    def changed(self, connection: Connection, message: int) -> Change:
        """Raise the revision of the tree of a message that was added or changed; `apply` what is returned."""
        row = connection.execute(_RAISED, {"message": message}).one()
        return Change(row.id, row.revision, messages.read_node(connection, message, self._read))

    def apply(self, change: Change) -> None:
        """Take over a change once its transaction is kept."""
        with self._lock:
            revision, nodes = self._kept.get(change.tree, (0, {}))
        if revision == change.revision - 1 and nodes:
            self._keep(change.tree, change.revision, {**nodes, change.node.id: change.node})

    def _keep(self, tree: int, revision: int, nodes: Mapping[int, Node]) -> None:
        with self._lock:
            if self._kept.get(tree, (-1,))[0] <= revision:
                self._kept[tree] = (revision, nodes)
                self._kept.move_to_end(tree)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
