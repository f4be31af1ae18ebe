"""Waiting for an event, for a while."""

from __future__ import annotations

import asyncio
import contextlib


async def until_set(event: asyncio.Event, seconds: float | None) -> None:
    """Wait until an event is set, for so many seconds at most; None: without an end.

    Until Python 3.12, `asyncio.wait_for` forgets a cancellation that comes in the moment of the event.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
