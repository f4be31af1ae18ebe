"""A WebSocket whose session ends is closed at once, whatever happened before."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from starlette.types import Message, Receive, Scope, Send

from webui.watched import SIGNED_OUT, Watched


def test_a_question_that_fails_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        answers = iter([OSError("the database is locked"), False])
        sent: list[Message] = []
        tell: list[Callable[[], None]] = []
        closed = asyncio.Event()

        async def is_open() -> bool:
            answer = next(answers)
            if isinstance(answer, OSError):
                raise answer
            return answer

        async def send(message: Message) -> None:
            sent.append(message)
            closed.set()

        async def receive() -> Message:
            raise AssertionError("nobody says anything")

        async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
            tell[0]()
            while not caplog.records:
                await asyncio.sleep(0)
            tell[0]()
            await asyncio.wait_for(closed.wait(), 5)

        @contextmanager
        def telling(function: Callable[[], None]) -> Iterator[None]:
            tell.append(function)
            yield

        await Watched(receive, send, is_open).run(app, {}, telling)
        assert sent == [{"type": "websocket.close", "code": SIGNED_OUT}]

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert "the database is locked" in caplog.text
