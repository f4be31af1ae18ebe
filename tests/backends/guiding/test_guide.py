"""A guide over a vocabulary of single bytes and a few words: what may come, what has begun, what is not guided."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

import numpy as np
import pytest

from backends.constraints import SHAPES, Constraint
from backends.encoder import Prepared
from backends.errors import EngineFailed, InvalidConstraint, UnsupportedParameter
from backends.guiding.guide import Guide, Guides
from backends.values import ChatPrompt, Encoded, Message, Request

THINK = ("<think>", "</think>")
END, THINKING, THOUGHT = 256, 257, 258
WORDS = (b"<end>", b"<think>", b"</think>", b"yes", b'{"', b'": ')


class Words:
    """Bytes, then some words; the first three of those are control tokens."""

    def __init__(self, ends: frozenset[int] = frozenset((END,))) -> None:
        tokens = [bytes([value]) for value in range(256)] + list(WORDS)
        self.size, self.ends = len(tokens), ends
        self.spelled: Mapping[int, bytes] = dict(enumerate(tokens))
        self.pieces: Mapping[int, bytes] = {**self.spelled, END: b"", THINKING: b"", THOUGHT: b""}

    def read_exactly(self, text: str, special: bool) -> tuple[int, ...]:
        if special and text.encode() in WORDS:
            return (256 + WORDS.index(text.encode()),)
        return tuple(text.encode())


def guide(
    constraint: Constraint, prefix: str = "", think: tuple[str, str] | None = None, thinking: bool = False
) -> Guide:
    return Guides(Words(), "engine").guide(constraint, prefix, think, thinking)


def may(at: Guide) -> set[str]:
    """Return what may come next, spelled out."""
    allowed = at.allowed()
    return {Words().spelled[int(token)].decode("latin-1") for token in np.flatnonzero(allowed)}


def is_free(at: Guide) -> bool:
    """Whether everything may come but the end."""
    return list(np.flatnonzero(~at.allowed())) == [END]


def write(at: Guide, text: str) -> None:
    for token in text.encode():
        allowed = at.allowed()
        assert allowed[token], f"{chr(token)} may not come"
        at.take(token)


YES_NO = Constraint("choices", choices=("yes", "yes please", "no"))


def test_only_what_fits_may_come() -> None:
    at = guide(YES_NO)
    assert may(at) == {"y", "n", "yes"}
    at.take(256 + WORDS.index(b"yes"))
    assert may(at) == {" ", "<end>"}, "the reply may end only where it is whole"
    write(at, " please")
    assert may(at) == {"<end>"}
    at.take(END)


def test_what_may_not_come_is_no_draw() -> None:
    with pytest.raises(EngineFailed):
        guide(YES_NO).take(ord("x"))


def test_a_copy_goes_on_by_itself() -> None:
    at = guide(YES_NO)
    write(at, "y")
    other = at.copy()
    write(at, "es")
    assert may(other) == {"e"} and may(at) == {" ", "<end>"}


def test_a_reply_that_has_begun_is_gone_on_with() -> None:
    assert may(guide(YES_NO, "yes ple")) == {"a"}
    assert may(guide(YES_NO, "no")) == {"<end>"}
    person = Constraint("schema", '{"type": "object", "properties": {"имя": {"type": "string"}}, "required": ["имя"]}')
    assert '"' in may(guide(person, '{"имя": "Ан'))


@pytest.mark.parametrize(("prefix", "where"), [("Sure! yes", "1:1"), ("yes, ", "1:4"), ("no\n", "1:3")])
def test_a_beginning_that_does_not_fit_is_told_with_its_place(prefix: str, where: str) -> None:
    with pytest.raises(InvalidConstraint) as caught:
        guide(YES_NO, prefix)
    assert caught.value.details == {
        "kind": "choices",
        "where": where,
        "reason": "the beginning of the reply does not fit",
    }


def test_thinking_that_is_under_way_has_no_shape() -> None:
    at = guide(YES_NO, think=THINK, thinking=True)
    assert is_free(at)
    write(at, "let me see")
    at.take(THOUGHT)
    assert may(at) == {"y", "n", "yes"}


def test_the_end_of_thinking_may_come_in_pieces() -> None:
    at = guide(YES_NO, "hm", THINK, True)
    write(at, "well </thi")
    assert is_free(at)
    write(at, "nk>")
    assert may(at) == {"y", "n", "yes"}


def test_a_model_that_may_think_decides_by_its_first_token() -> None:
    at = guide(YES_NO, think=THINK)
    assert may(at) == {"y", "n", "yes", "<think>"}
    straight = at.copy()
    straight.take(ord("y"))
    assert may(straight) == {"e"}
    at.take(THINKING)
    assert is_free(at)
    at.take(THOUGHT)
    assert may(at) == {"y", "n", "yes"}


def test_the_answer_begins_where_the_thinking_before_it_ended() -> None:
    assert may(guide(YES_NO, "<think>hm</think>\n\nye", THINK)) == {"s"}


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("json"),
        Constraint("schema", json.dumps({
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 2, "maxLength": 5},
                "age": {"type": "integer", "minimum": 3, "maximum": 120},
                "on": {"type": "string", "format": "date"},
                "tags": {"type": "array", "items": {"enum": ["a", "б"]}, "minItems": 1, "maxItems": 2},
                "more": {"$ref": "#/$defs/more"},
            },
            "required": ["name", "age", "on", "tags"],
            "additionalProperties": False,
            "$defs": {"more": {"type": "object", "properties": {"more": {"$ref": "#/$defs/more"}},
                               "additionalProperties": False}},
        })),
    ],
)  # fmt: skip
def test_whatever_is_drawn_the_json_is_good(constraint: Constraint) -> None:
    """Draw blindly: the shape alone must lead to JSON that keeps to it."""
    words, drawn = Words(), random.Random(5)
    whole = 0
    for _ in range(40):
        at, text = guide(constraint), b""
        for _ in range(400):
            allowed = at.allowed()
            assert allowed.any()
            tokens = np.flatnonzero(allowed)
            token = END if allowed[END] else int(drawn.choice(tokens))
            at.take(token)
            if token == END:
                value = json.loads(text)
                assert isinstance(value, dict)
                if constraint.kind == "schema":
                    assert 2 <= len(value["name"]) <= 5 and 3 <= value["age"] <= 120 and len(value["on"]) == 10
                    assert set(value["tags"]) <= {"a", "б"} and 1 <= len(value["tags"]) <= 2
                whole += 1
                break
            text += words.spelled[token]
    assert whole > 20


def test_white_space_comes_to_an_end() -> None:
    at = guide(Constraint("json"))
    at.take(ord("{"))
    at.take(ord("\n"))
    for _ in range(24):
        assert "\n" not in may(at) and " " in may(at)
        at.take(ord(" "))
    assert not {"\n", " "} & may(at)


def request(constraint: Constraint | None, prefix: str = "") -> Request:
    return Request(ChatPrompt((Message("user", "a"),), prefix=prefix), constraint=constraint)


def test_a_request_without_a_shape_has_no_guide() -> None:
    guides, prepared = Guides(Words(), "engine"), Prepared(Encoded((1,)))
    assert guides.begin(request(None), prepared) is None
    begun = guides.begin(request(YES_NO, "no"), prepared)
    assert begun is not None and may(begun) == {"<end>"}
    assert guides.shapes == set(SHAPES) and not guides.reasons


def test_a_model_that_cannot_end_its_turn_is_not_guided() -> None:
    guides = Guides(Words(frozenset()), "engine")
    assert not guides.shapes and set(guides.reasons) == {f"constraint.{shape}" for shape in SHAPES}
    with pytest.raises(UnsupportedParameter):
        guides.begin(request(YES_NO), Prepared(Encoded((1,))))
