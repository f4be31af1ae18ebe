"""What generations write is handed to the event loop in frames, whole and in order."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from backends.base import Backend
from backends.errors import EngineFailed, SamovarError
from backends.sampling import SamplingParams
from backends.values import Done, Event, Request, TextDelta, TextPrompt, Timings, Usage
from webui.api.generations import FRAME_SECONDS, Generations, Heard

END = Done("stop", Usage(1, 0, 3), Timings(0, 0, 0), 1)


class Speaker:
    """A backend, and its one generation, that says what it is given, whenever it is let."""

    def __init__(self, said: Sequence[Event | SamovarError]) -> None:
        self._said = said
        self.let = threading.Semaphore(0)

    def start(self, _: Request) -> "Speaker":
        return self

    def __iter__(self) -> Iterator[Event]:
        for said in self._said:
            self.let.acquire()
            if isinstance(said, SamovarError):
                raise said
            yield said

    def cancel(self) -> None:
        for _ in self._said:
            self.let.release()


async def begin(speaker: Speaker) -> Generations:
    request = Request(TextPrompt("x"), SamplingParams())
    return await Generations.start(cast("Backend", speaker), [[request]])


async def listen_on(generations: Generations) -> None:
    while not generations.over:
        await generations.next(60)


def text(heard: Sequence[Heard]) -> str:
    return "".join(event.text for _, event in heard if isinstance(event, TextDelta))


def test_the_first_text_comes_at_once_and_what_follows_waits_for_its_frame_or_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webui.api.generations.FRAME_SECONDS", 60.0)

    async def listen() -> None:
        speaker = Speaker([TextDelta(letter, 1) for letter in "abcd"] + [END])
        generations = await begin(speaker)
        speaker.let.release()
        assert text(await generations.next(5)) == "a"
        speaker.let.release(3)
        assert await generations.next(0.05) == []
        speaker.let.release()
        heard = await generations.next(5)
        assert text(heard) == "bcd"
        assert heard[-1] == (0, END)
        assert generations.over

    asyncio.run(listen())


def test_a_frame_comes_when_it_is_due() -> None:
    async def listen() -> None:
        speaker = Speaker([TextDelta("a", 1), TextDelta("b", 1), END])
        generations = await begin(speaker)
        speaker.let.release(2)
        written = ""
        while written != "ab":
            heard = await generations.next(5)
            assert heard
            written += text(heard)
        generations.close()

    asyncio.run(listen())


def test_nothing_is_said_for_a_while() -> None:
    async def listen() -> None:
        speaker = Speaker([END])
        generations = await begin(speaker)
        assert await generations.next(FRAME_SECONDS) == []
        generations.close()
        assert await generations.next(5) == [(0, END)]

    asyncio.run(listen())


def test_what_was_written_before_an_error_is_told_first() -> None:
    async def listen() -> None:
        speaker = Speaker([TextDelta("a", 1), TextDelta("b", 1), EngineFailed(reason="it broke")])
        generations = await begin(speaker)
        speaker.let.release(3)
        written = ""
        with pytest.raises(EngineFailed):
            while True:
                written += text(await generations.next(5))
        assert written == "ab"

    asyncio.run(listen())


@pytest.mark.parametrize("at_once", [True, False])
def test_who_goes_in_the_moment_of_a_word_is_let_go(at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def listen() -> None:
        speaker = Speaker([TextDelta("a", 1), END])
        generations = await begin(speaker)
        listener = asyncio.create_task(listen_on(generations))
        await asyncio.sleep(0)
        delivered = asyncio.Event()
        deliver = generations._deliver

        def deliver_and_tell() -> None:
            deliver()
            if at_once:
                listener.cancel()
            delivered.set()

        monkeypatch.setattr(generations, "_deliver", deliver_and_tell)
        speaker.let.release()
        await delivered.wait()
        listener.cancel()
        await asyncio.wait((listener,), timeout=1)
        generations.close()
        assert listener.cancelled()

    asyncio.run(listen())
