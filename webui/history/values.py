"""The values that the history gives out. Times are in seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass

from backends.values import Choice


@dataclass(frozen=True, slots=True)
class Chat:
    """A pointer into a tree of messages. `tip` is its last message, None while it is empty.

    Chats of one `tree` share messages: a branch has the tree of the chat that it left.
    """

    id: int
    title: str
    system: str
    tip: int | None
    created: float
    updated: float
    tree: int


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found. `message` is None when the chat's title matched.

    `snippet` is plain text in pieces, each with whether it matched; "…" stands where text was left out.
    """

    chat: int
    title: str
    message: int | None
    snippet: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was weighed for tokens in a row, in the order in which they were drawn.

    `start` is how many characters the thinking and the text of the message had together when the first one came. A
    reply that was continued has several stretches; one that begins with given words, or was written while nobody
    asked, has characters that belong to none.
    """

    start: int
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs, by what its owner gave it for a name (perhaps nothing) and by how it ends (`hint`)."""

    id: int
    label: str
    hint: str
    created: float


@dataclass(frozen=True, slots=True)
class Person:
    """An account as it is kept; `password_hash` is empty until a password is set, `name` until one is chosen."""

    id: int
    name: str
    owner: bool
    password_hash: str
