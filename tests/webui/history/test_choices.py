"""What was weighed at each token is kept beside the messages, small, and given back to its owner alone."""

from __future__ import annotations

import math
import random
import struct
import zlib

import pytest
from sqlalchemy import update

from backends.values import Choice, TokenProbability
from webui.errors import NotFound
from webui.history.choices import pack, unpack
from webui.history.store import History
from webui.history.tables import TOKEN_CHOICES
from webui.history.values import Stretch

TEA = TokenProbability(3, b" tea", 0.5, 0.75)
HALF = TokenProbability(-1, b"\xe2\x98", 0.001, None)
CUT = TokenProbability(9, b"", 0.03, 0.0)
CHOICES = (Choice(HALF, (TEA, CUT)), Choice(TEA), Choice(TEA, (TEA,)))


def near(found: TokenProbability, kept: TokenProbability) -> None:
    assert (found.token, found.piece) == (kept.token, kept.piece)
    assert found.before == pytest.approx(kept.before, rel=0.01)
    assert found.after == (None if kept.after is None else pytest.approx(kept.after, rel=0.01))


def same(found: tuple[Choice, ...], kept: tuple[Choice, ...]) -> None:
    assert len(found) == len(kept)
    for one, other in zip(found, kept, strict=True):
        near(one.drawn, other.drawn)
        assert len(one.top) == len(other.top)
        for each, expected in zip(one.top, other.top, strict=True):
            near(each, expected)


def message(history: History) -> int:
    chat = history.create_chat(1, "a chat")
    return history.add_message(1, chat.id, None, "assistant", "", state="writing").id


def test_what_is_packed_comes_out_again() -> None:
    same(unpack(pack(CHOICES)), CHOICES)
    assert unpack(pack(())) == ()


def test_it_is_small() -> None:
    """Four hundred tokens with five alternatives each, as a model gives them."""
    chance = random.Random(1)

    def token() -> TokenProbability:
        number = int(49_152 ** chance.random())
        return TokenProbability(number, f" w{number}".encode(), math.exp(-8 * chance.random()), chance.random())

    choices = tuple(Choice(token(), tuple(token() for _ in range(5))) for _ in range(400))
    packed = pack(choices)
    same(unpack(packed), choices)
    assert len(packed) < 60 * 400


@pytest.mark.parametrize("broken", [b"", b"\x01", b"\x02" + pack(CHOICES)[1:], pack(CHOICES)[:-9]])
def test_what_is_broken_is_told(broken: bytes) -> None:
    with pytest.raises((ValueError, zlib.error, struct.error)):
        unpack(broken)


def test_stretches_are_kept_in_order(history: History) -> None:
    node = message(history)
    assert history.choices(1, node) == ()
    history.finish(node, "tea", "", "done", None, Stretch(0, CHOICES[:1]))
    history.finish(node, "tea and tea", "", "done", None, Stretch(3, CHOICES[1:]))
    history.finish(node, "tea and tea", "", "done", None, Stretch(11, ()))
    history.finish(node, "tea and tea", "", "done", None)
    first, second = history.choices(1, node)
    assert (first.start, second.start) == (0, 3)
    same(first.choices + second.choices, CHOICES)


def test_a_copy_has_them_too(history: History) -> None:
    node, copy = message(history), message(history)
    history.copy_choices(node, copy)
    assert history.choices(1, copy) == ()
    history.finish(node, "tea", "", "done", None, Stretch(0, CHOICES))
    history.copy_choices(node, copy)
    history.finish(copy, "tea and tea", "", "done", None, Stretch(3, CHOICES))
    assert [stretch.start for stretch in history.choices(1, copy)] == [0, 3]
    assert [stretch.start for stretch in history.choices(1, node)] == [0]


def test_only_the_owner_of_a_message_sees_them(history: History) -> None:
    node = message(history)
    for account, asked in ((2, node), (1, node + 1), (1, -1)):
        with pytest.raises(NotFound):
            history.choices(account, asked)


def test_one_that_cannot_be_read_does_not_hide_the_others(history: History, caplog: pytest.LogCaptureFixture) -> None:
    node = message(history)
    history.finish(node, "tea", "", "done", None, Stretch(0, CHOICES))
    with history._database.write() as connection:
        connection.execute(update(TOKEN_CHOICES).values(packed=b"\x01nothing"))
    history.finish(node, "tea", "", "done", None, Stretch(3, CHOICES))
    assert [stretch.start for stretch in history.choices(1, node)] == [3]
    assert f"message {node}" in caplog.text
