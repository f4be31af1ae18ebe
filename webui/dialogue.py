"""The conversation as a value: a tree of messages and the tip that says which path is read.

Regenerate and edit add a sibling; paging through versions moves the tip; a branch is another chat whose tip is a
message of the same tree. Nothing here touches a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from backends.values import Branch, Role, Timings, Usage

State = Literal["done", "writing", "stopped", "length", "cut", "failed"]
"""`stopped` by a person, `length` at its limit, `cut` by a killed server, `failed` by an error."""


@dataclass(frozen=True, slots=True)
class Made:
    """What made a reply, kept with it. `sampling` is `SamplingParams.difference()`; `error` an error's code.

    `beams` is the tree of replies that a beam search found, `shape` is `Constraint.mapping()`, empty for a free reply.
    """

    model: str = ""
    fingerprint: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    seed: int = -1
    usage: Usage | None = None
    timings: Timings | None = None
    error: str = ""
    error_details: Mapping[str, Any] = field(default_factory=dict)
    beams: tuple[Branch, ...] = ()
    shape: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Node:
    """One message of the tree. `parent` is None at a root; `created` is in seconds since the epoch."""

    id: int
    parent: int | None
    role: Role
    content: str
    reasoning: str = ""
    state: State = "done"
    hidden: bool = False
    created: float = 0.0
    made: Made | None = None


@dataclass(frozen=True)
class Dialogue:
    """The messages of one tree and the tip of one chat in it. A tip of None is the empty dialogue."""

    nodes: Mapping[int, Node]
    tip: int | None

    @cached_property
    def path(self) -> tuple[Node, ...]:
        """The messages from the root to the tip."""
        found: list[Node] = []
        at = self.tip
        while at is not None:
            found.append(self.nodes[at])
            at = found[-1].parent
        return tuple(reversed(found))

    @cached_property
    def _children(self) -> Mapping[int | None, tuple[int, ...]]:
        children: dict[int | None, list[int]] = {}
        for node in sorted(self.nodes.values(), key=lambda node: node.id):
            if not node.hidden:
                children.setdefault(node.parent, []).append(node.id)
        return {parent: tuple(ids) for parent, ids in children.items()}

    def children(self, parent: int | None) -> tuple[int, ...]:
        """Return the ids of the visible messages that answer `parent`, the oldest first."""
        return self._children.get(parent, ())

    def versions(self, node_id: int) -> tuple[int, ...]:
        """Return the ids of the visible versions of a message: its siblings of the same role, itself among them."""
        node = self.nodes[node_id]
        same = [at for at in self.children(node.parent) if self.nodes[at].role == node.role]
        return tuple(same) if node_id in same else (*same, node_id)

    def latest_leaf(self, node_id: int) -> int:
        """Return the end of the newest path that goes through a message."""
        while below := self.children(node_id):
            node_id = below[-1]
        return node_id
