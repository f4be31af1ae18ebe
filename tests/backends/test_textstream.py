from __future__ import annotations

from itertools import combinations

import pytest

from backends.textstream import Piece, TextStream

THINK = ("<think>", "</think>")


def run(stream: TextStream, pushes: list[bytes]) -> tuple[str, str, bool]:
    """Return (reply, reasoning, stopped)."""
    pieces = [piece for data in pushes for piece in stream.push(data)] + stream.flush()
    reply = "".join(piece.text for piece in pieces if not piece.reasoning)
    return reply, "".join(piece.text for piece in pieces if piece.reasoning), stream.stopped


def cuts(data: bytes, number: int) -> list[list[bytes]]:
    return [
        [data[a:b] for a, b in zip((0, *points), (*points, len(data)), strict=True)]
        for points in combinations(range(len(data) + 1), number)
    ]


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        ("Привет, 👋🏽 e\u0301!".encode(), {}, ("Привет, 👋🏽 e\u0301!", "", False)),
        (b"a\xff\xfeb\xc3(", {}, ("a\ufffd\ufffdb\ufffd(", "", False)),
        (b"\xe2\x82A \xf0\x9f\x98", {}, ("\ufffdA ", "", False)),
        (b"Hi\n### Instruction: x", {"stop": ["\n### Instruction:"]}, ("Hi", "", True)),
        ("да СТОП нет".encode(), {"stop": ["СТОП"]}, ("да ", "", True)),
        (b"aaab", {"stop": ["aab"]}, ("a", "", True)),
        (b"xabcdex", {"stop": ["abcde", "bcd"]}, ("xa", "", True)),
        (b"one <|im_en", {"stop": ["<|im_end|>"]}, ("one <|im_en", "", False)),
        (b"<think>\nso\n</think>\n\nYes.", {"think": THINK}, ("Yes.", "so\n", False)),
        (b" \n<think>a</think>b", {"think": THINK}, ("b", "a", False)),
        (b"so</think> Yes", {"think": THINK, "thinking": True}, ("Yes", "so", False)),
        (b"The <think> tag </think>.", {"think": THINK}, ("The <think> tag </think>.", "", False)),
        (b"<thinker", {"think": THINK}, ("<thinker", "", False)),
        (b"  <thi", {"think": THINK}, ("  <thi", "", False)),
        (b"<think>User: x</think>y User:", {"think": THINK, "stop": ["User:"]}, ("y ", "User: x", True)),
        (b"<think>never </thi", {"think": THINK}, ("", "never </thi", False)),
        (b"<think></think><think>b</think>c", {"think": THINK}, ("c", "b", False)),
        (b" Hello", {"lead": " "}, ("Hello", "", False)),
        (b"  Hello", {"lead": " "}, (" Hello", "", False)),
        (b"Hello", {"lead": "\n\n"}, ("Hello", "", False)),
        (b"\nHello", {"lead": "\n\n"}, ("\nHello", "", False)),
        (b" <think>a</think>b", {"lead": " ", "think": THINK}, ("b", "a", False)),
        (b"ab", {"stop": [""]}, ("ab", "", False)),
        (b"", {}, ("", "", False)),
    ],
)
def test_the_same_at_every_cut(data: bytes, options: dict, expected: tuple[str, str, bool]) -> None:
    assert run(TextStream(**options), [data]) == expected
    for pushes in [*cuts(data, 1), *cuts(data, 2), [bytes([byte]) for byte in data]]:
        assert run(TextStream(**options), pushes) == expected, pushes


def test_text_comes_as_soon_as_it_is_certain() -> None:
    stream = TextStream(stop=["STOP"], think=THINK)
    assert stream.push(b"Hello S") == [Piece("Hello ")]
    assert stream.push(b"T") == []
    assert stream.push(b"ay") == [Piece("STay")]
    assert stream.push("é".encode()[:1]) == []
    assert stream.push("é".encode()[1:]) == [Piece("é")]


def test_pieces_of_one_push_keep_their_order() -> None:
    pieces = TextStream(think=THINK).push(b"<think>a</think>b")
    assert pieces == [Piece("a", reasoning=True), Piece("b")]


def test_nothing_comes_after_a_stop() -> None:
    stream = TextStream(stop=["."])
    assert stream.push(b"a.b") == [Piece("a")]
    assert stream.stopped
    assert stream.push(b"c") == []
    assert stream.flush() == []


def test_a_fork_goes_on_by_itself() -> None:
    stream = TextStream(["END"])
    said = [stream.push(b"caf"), stream.push("é".encode()[:1])]
    fork = stream.fork()
    assert fork.push("è".encode()[1:] + b" EN") + fork.push(b"D")
    assert fork.stopped and not stream.stopped
    said += [stream.push("é".encode()[1:] + b"s"), stream.flush()]
    assert "".join(piece.text for pieces in said for piece in pieces) == "cafés"
