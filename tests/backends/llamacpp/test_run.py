"""What a run tells of its tokens comes once, in order, and with the tokens it belongs to, however text is held back."""

from __future__ import annotations

from backends.llamacpp.run import Run
from backends.textstream import TextStream
from backends.values import Choice, Done, Event, ReasoningDelta, TextDelta, TokenProbability
from tests.backends.llamacpp.fake import FakeSampler

SNOW = "☃".encode()


def run_of(stream: TextStream, *pieces: bytes, told: bool = True) -> list[Event]:
    """Write tokens numbered from 0, each with a choice of its own number."""
    choices: list[Choice] = []
    run = Run(
        [1, 2], limit=100, sampler=FakeSampler(), stream=stream, weighed=lambda: choices[-1] if choices else None
    )  # fmt: skip
    for number, piece in enumerate(pieces):
        if told:
            choices.append(Choice(TokenProbability(number, piece, 0.5, 1.0)))
        if run.write(number, piece):
            break
    run.finish("stop")
    events: list[Event] = []
    while not run.events.empty():
        event = run.events.get()
        assert not isinstance(event, Exception)
        events.append(event)
    assert isinstance(events[-1], Done)
    return events


def numbers(events: list[Event]) -> list[list[int]]:
    return [[choice.drawn.token for choice in event.choices] for event in events
            if isinstance(event, TextDelta | ReasoningDelta)]  # fmt: skip


def test_every_token_has_its_choice() -> None:
    events = run_of(TextStream(), b"a", SNOW[:1], SNOW[1:2], SNOW[2:], b"b")
    assert numbers(events) == [[0], [1, 2, 3], [4]]
    assert [event.tokens for event in events if isinstance(event, TextDelta)] == [1, 3, 1]


def test_those_of_a_stop_string_come_too() -> None:
    assert numbers(run_of(TextStream(stop=["END"]), b"a", b"E", b"N", b"D")) == [[0], [1, 2, 3]]


def test_the_thinking_has_its_own() -> None:
    events = run_of(TextStream(think=("<t>", "</t>")), b"<t>", b"hm", b"</t>", b"so")
    thought = [event for event in events if isinstance(event, ReasoningDelta)]
    assert [[choice.drawn.token for choice in event.choices] for event in thought] == [[0, 1]]
    assert [number for told in numbers(events) for number in told] == [0, 1, 2, 3]


def test_nothing_is_told_unasked() -> None:
    assert numbers(run_of(TextStream(), b"a", b"b", told=False)) == [[], []]
