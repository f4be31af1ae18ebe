"""Replies that begin alike, as a tree."""

from __future__ import annotations

from backends.branches import tree
from backends.values import Branch

PIECES = {
    1: b"The",
    2: b" cat",
    3: b" dog",
    4: b" sat",
    5: b" ran",
    6: "é".encode()[:1],
    7: "é".encode()[1:],
    8: b"\xa8",
}


def test_what_is_common_is_there_once() -> None:
    replies = [((1, 2, 4), -0.1), ((1, 3), -0.2), ((1, 2, 5), -0.3), ((4,), -0.4)]
    assert tree(replies, PIECES.__getitem__) == (
        Branch(-1, "The"), Branch(0, " cat"), Branch(1, " sat", -0.1), Branch(1, " ran", -0.3), Branch(0, " dog", -0.2),
        Branch(-1, " sat", -0.4),
    )  # fmt: skip


def test_a_reply_may_be_the_beginning_of_another() -> None:
    found = tree([((1, 2, 4), -0.1), ((1, 2), -0.2)], PIECES.__getitem__)
    assert found == (Branch(-1, "The cat", -0.2), Branch(0, " sat", -0.1))


def test_a_single_reply_and_none_and_equals() -> None:
    assert tree([((1, 2), -0.5)], PIECES.__getitem__) == (Branch(-1, "The cat", -0.5),)
    assert tree([((1, 2), -0.5), ((1, 2), -0.6)], PIECES.__getitem__) == (Branch(-1, "The cat", -0.5),)
    assert tree([], PIECES.__getitem__) == tree([((), 0.0)], PIECES.__getitem__) == ()


def test_a_character_is_not_torn() -> None:
    """Replies part in the middle of a character: each gets it whole."""
    found = tree([((1, 6, 7), -0.1), ((1, 6, 8), -0.2)], PIECES.__getitem__)
    assert found == (Branch(-1, "The"), Branch(0, "é", -0.1), Branch(0, "è", -0.2))
