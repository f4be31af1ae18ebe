"""What messages cost in tokens, by tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, delete, select

from webui.history.tables import MESSAGE, TOKEN_COUNT
from webui.history.upsert import upsert

_AT_ONCE = 1000
"""How many ids one statement names: SQLite takes 32,766 parameters, older builds fewer."""


def read(connection: Connection, ids: Iterable[int], tokenizer: str) -> dict[int, int]:
    """Return the costs that are known."""
    found: dict[int, int] = {}
    for some in _portions(ids):
        known = select(TOKEN_COUNT.c.message_id, TOKEN_COUNT.c.tokens).where(
            TOKEN_COUNT.c.message_id.in_(some), TOKEN_COUNT.c.tokenizer == tokenizer
        )
        found.update((id_, tokens) for id_, tokens in connection.execute(known))
    return found


def write(connection: Connection, costs: Mapping[int, int], tokenizer: str) -> None:
    """Keep costs, in place of older ones; those of messages that do not exist are left out."""
    for some in _portions(costs):
        there = connection.execute(select(MESSAGE.c.id).where(MESSAGE.c.id.in_(some))).scalars()
        rows = [{"message_id": id_, "tokenizer": tokenizer, "tokens": costs[id_]} for id_ in there]
        if rows:
            upsert(connection, TOKEN_COUNT, rows)


def forget(connection: Connection, message: int) -> None:
    """Drop what a message cost: its text changes."""
    connection.execute(delete(TOKEN_COUNT).where(TOKEN_COUNT.c.message_id == message))


def _portions(ids: Iterable[int]) -> Iterator[Sequence[int]]:
    unique = list(dict.fromkeys(ids))
    for start in range(0, len(unique), _AT_ONCE):
        yield unique[start : start + _AT_ONCE]
