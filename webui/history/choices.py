"""What was weighed at each token of a message, packed, and apart from the dialogue: read only when somebody asks.

With five alternatives it takes about fifty bytes a token. Probabilities keep three digits: their logarithms are kept,
as 16-bit floats.
"""

from __future__ import annotations

import json
import logging
import math
import struct
import zlib
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, func, insert, select

from backends.values import Choice, TokenProbability
from webui.errors import NotFound
from webui.history.tables import MESSAGE, TOKEN_CHOICES
from webui.history.text import asked
from webui.history.values import Stretch

_VERSION = 1
_HEAD = struct.Struct("<BII")
_MOST = 255

log = logging.getLogger(__name__)


def read(connection: Connection, account: int, message: int) -> tuple[Stretch, ...]:
    """Return the stretches of an account's message, in order. Raises `NotFound`."""
    mine = select(MESSAGE.c.id).where(MESSAGE.c.id == asked(message, "message"), MESSAGE.c.account_id == account)
    if connection.execute(mine).first() is None:
        raise NotFound(what="message")
    kept = select(TOKEN_CHOICES.c.start, TOKEN_CHOICES.c.packed).where(TOKEN_CHOICES.c.message_id == message)
    rows = connection.execute(kept.order_by(TOKEN_CHOICES.c.part)).all()
    return tuple(Stretch(start, choices) for start, packed in rows if (choices := _readable(message, packed)))


def add(connection: Connection, message: int, stretch: Stretch) -> None:
    """Keep a further stretch of a message; an empty one is not kept."""
    if stretch.choices:
        parts = select(func.count()).where(TOKEN_CHOICES.c.message_id == message)
        values = {
            "message_id": message, "part": connection.execute(parts).scalar_one(), "start": stretch.start,
            "packed": pack(stretch.choices),
        }  # fmt: skip
        connection.execute(insert(TOKEN_CHOICES).values(values))


def copy(connection: Connection, source: int, target: int) -> None:
    """Give a message that is a copy of another what was weighed there."""
    kept = select(TOKEN_CHOICES.c.part, TOKEN_CHOICES.c.start, TOKEN_CHOICES.c.packed)
    rows = connection.execute(kept.where(TOKEN_CHOICES.c.message_id == source)).mappings().all()
    if rows:
        connection.execute(insert(TOKEN_CHOICES), [{**row, "message_id": target} for row in rows])


def pack(choices: Sequence[Choice]) -> bytes:
    """Return choices as bytes: the tokens that occur, how many each choice has, which ones, and their logarithms."""
    rows = [(choice.drawn, *choice.top[: _MOST - 1]) for choice in choices]
    numbers: dict[tuple[int, bytes], int] = {}
    flat = [each for row in rows for each in row]
    indices = [numbers.setdefault((each.token, each.piece), len(numbers)) for each in flat]
    words = json.dumps([[token, piece.decode("latin-1")] for token, piece in numbers], ensure_ascii=False).encode()
    logs = [*(_log(each.before) for each in flat), *(_log(each.after) for each in flat)]
    body = [
        words,
        bytes(map(len, rows)),
        struct.pack(f"<{len(indices)}I", *indices),
        struct.pack(f"<{len(logs)}e", *logs),
    ]
    return _HEAD.pack(_VERSION, len(words), len(rows)) + zlib.compress(b"".join(body))


def unpack(packed: bytes) -> tuple[Choice, ...]:
    """Return what `pack` was given. Raises ValueError, `zlib.error` or `struct.error` for anything else."""
    version, size, count = _HEAD.unpack_from(packed)
    if version != _VERSION:
        raise ValueError(f"version {version}")
    body = zlib.decompress(packed[_HEAD.size :])
    words = [(token, piece.encode("latin-1")) for token, piece in json.loads(body[:size])]
    lengths = body[size : size + count]
    total = sum(lengths)
    indices = struct.unpack_from(f"<{total}I", body, size + count)
    logs = struct.unpack_from(f"<{2 * total}e", body, size + count + 4 * total)
    columns = zip(indices, logs[:total], logs[total:], strict=True)
    flat = iter([_read(words[index], before, after) for index, before, after in columns])
    return tuple(_choices(flat, lengths))


def _choices(tokens: Iterator[TokenProbability], lengths: bytes) -> Iterator[Choice]:
    for length in lengths:
        drawn, *top = (next(tokens) for _ in range(length))
        yield Choice(drawn, tuple(top))


def _read(word: tuple[int, bytes], before: float, after: float) -> TokenProbability:
    return TokenProbability(*word, _probability(before) or 0.0, _probability(after))


def _log(probability: float | None) -> float:
    if probability is None:
        return math.nan
    return math.log(probability) if probability > 0 else -math.inf


def _probability(logarithm: float) -> float | None:
    return None if math.isnan(logarithm) else math.exp(logarithm)


def _readable(message: int, packed: bytes) -> tuple[Choice, ...]:
    """Return the choices; none for what cannot be read, so that one bad row does not hide the others."""
    try:
        return unpack(packed)
    except (ValueError, TypeError, IndexError, zlib.error, struct.error) as error:
        log.warning("what was weighed for message %s cannot be read: %s", message, error)
        return ()
