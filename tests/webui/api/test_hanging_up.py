"""A client that goes takes its generation with it, wherever that is."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from backends.errors import EngineFailed
from backends.scripted import Script
from tests.webui.api.office import HELLO, Office, hang_up
from webui.choice import ModelChoice

Build = Callable[..., Office]
SLOW = Script(replies=["word " * 5000], delay=0.002)
READING = Script(replies=["word"], prefill_delay=30.0)
BODY = {"messages": HELLO}


async def until_running(office: Office) -> None:
    for _ in range(1000):
        if office.figure("samovar_generations", state="running") > 0:
            return
        await asyncio.sleep(0.002)
    raise AssertionError("nothing runs")


def ends(office: Office) -> dict[str, float]:
    """Wait until nothing runs; return how everything ended."""
    office.house.until(lambda: office.figure("samovar_generations", state="running") == 0)
    found = office.house.services.meters.counts()
    return {labels[0][1]: count for (name, labels), count in found.items() if name == "samovar_generations_total"}


@pytest.mark.parametrize("script", [SLOW, READING], ids=["writing", "reading"])
@pytest.mark.parametrize("more", [{}, {"stream": True}, {"n": 3}, {"n": 3, "stream": True}], ids=str)
def test_who_hangs_up_ends_it(build: Build, script: Script, more: dict[str, Any]) -> None:
    office = build(script)

    async def ready(_: list[Message]) -> None:
        await until_running(office)

    sent = asyncio.run(hang_up(office.app, "/v1/chat/completions", {**BODY, **more}, ready))
    ended = ends(office)
    assert set(ended) == {"cancelled"} and ended["cancelled"] <= more.get("n", 1)
    assert not any(b"[DONE]" in message.get("body", b"") for message in sent)


def test_in_the_middle_of_a_stream(build: Build) -> None:
    office = build(SLOW)

    async def ready(sent: list[Message]) -> None:
        while len([message for message in sent if b"word" in message.get("body", b"")]) < 3:
            await asyncio.sleep(0.001)

    sent = asyncio.run(hang_up(office.app, "/v1/chat/completions", {**BODY, "stream": True}, ready))
    assert ends(office) == {"cancelled": 1}
    assert len(sent) < 1000


def test_while_the_model_is_loading(build: Build) -> None:
    office = build(load=False)
    loader = office.house.services.loader
    loader._state = type(loader.state)("loading", ModelChoice("x"))

    async def ready(_: list[Message]) -> None:
        await asyncio.sleep(0.02)

    asyncio.run(hang_up(office.app, "/v1/chat/completions", BODY, ready))
    assert office.figure("samovar_requests_total", path="/v1/chat/completions", status="499") == 1
    assert not office.house.backend.requests


def test_before_everything_is_asked(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    office = build()

    async def ready(_: list[Message]) -> None:
        return

    asyncio.run(hang_up(office.app, "/v1/chat/completions", BODY, ready, whole=False))
    assert office.figure("samovar_requests_total", path="/v1/chat/completions", status="499") == 1
    assert not caplog.records and not office.house.backend.requests


@pytest.mark.parametrize("good", [0, 3])
def test_a_connection_that_breaks_while_it_is_written_to(build: Build, good: int) -> None:
    office = build(SLOW)

    async def ready(_: list[Message]) -> None:
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        sends = 0

        async def broken(self: object, message: Message) -> None:
            nonlocal sends
            sends += 1
            if sends > good:
                raise OSError("broken pipe")

        patch.setattr("webui.bodies.SecuredResponse.__call__", broken)
        asyncio.run(hang_up(office.app, "/v1/chat/completions", {**BODY, "stream": True}, ready))
    # Nobody has seen it begin, so it may still be about to.
    office.house.until(lambda: office.figure("samovar_generations_total", end="cancelled") == 1)
    assert ends(office) == {"cancelled": 1}


def test_the_others_of_an_answer_begin_once_the_first_has_read_the_prompt(build: Build) -> None:
    office = build(READING)
    asked = office.house.backend.requests

    async def ready(_: list[Message]) -> None:
        await until_running(office)
        await asyncio.sleep(0.02)
        assert len(asked) == 1

    asyncio.run(hang_up(office.app, "/v1/chat/completions", {**BODY, "n": 4}, ready))
    assert len(asked) == 1


def test_one_that_fails_ends_the_others(build: Build) -> None:
    office = build(Script(replies=["word " * 5000, EngineFailed(reason="x"), "word " * 5000], delay=0.002))
    status, error = office.refused(n=3)
    assert (status, error["code"]) == (500, "engine_failed")
    ended = ends(office)
    assert ended["failed"] == 1 and ended["cancelled"] >= 1
