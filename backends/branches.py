"""Replies as a tree: what several of them begin with is kept, and shown, once."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence

from backends.values import Branch

Reply = tuple[tuple[int, ...], float]
"""The tokens of a reply, without its end, and its rating."""


def tree(replies: Sequence[Reply], piece: Callable[[int], bytes]) -> tuple[Branch, ...]:
    """Return the tree of replies; a branch stands behind its parent, and better replies (earlier ones) come first.

    `piece` tells the bytes that a token writes. Of replies that are equal the first is kept.
    """
    unique = dict(reversed(replies))
    found: list[Branch] = []
    _grow(found, -1, 0, b"", [(tokens, unique[tokens]) for tokens, _ in dict(replies).items()], piece)
    return tuple(found)


def _grow(
    found: list[Branch], parent: int, at: int, held: bytes, replies: Sequence[Reply], piece: Callable[[int], bytes]
) -> None:
    """Add the branches of replies that are alike up to `at`; `held` are the bytes of a character that is not whole."""
    groups: dict[int, list[Reply]] = {}
    for tokens, rating in replies:
        if len(tokens) > at:
            groups.setdefault(tokens[at], []).append((tokens, rating))
    for group in groups.values():
        first = group[0][0]
        end = at + 1
        while all(len(tokens) > end and tokens[end] == first[end] for tokens, _ in group):
            end += 1
        ending = next((rating for tokens, rating in group if len(tokens) == end), None)
        text, rest = _text(held + b"".join(map(piece, first[at:end])))
        found.append(Branch(parent, text, ending))
        _grow(found, len(found) - 1, end, rest, group, piece)


def _text(data: bytes) -> tuple[str, bytes]:
    """Return the whole characters of bytes, and the bytes of the one at the end that is not whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(data), decoder.getstate()[0]
