"""An engine cannot send us elsewhere: neither our questions, nor the dialogue, nor the key go to another address."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from backends.errors import EngineFailed, SamovarError
from backends.registry import BackendOptions
from backends.remote.client import Limits
from backends.remote.opening import open_reference
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Message, Request
from tests.backends.remote.fake import Answer, FakeEngine, fake, said

CHAT = "POST /v1/chat/completions"
QUICK = Limits(connect=2, answer=5, first=5, between=5, pause=0.01, longest_pause=0.02)
HELLO = Request(ChatPrompt((Message("user", "a secret"),)), SamplingParams())


@pytest.fixture
def inside() -> Iterator[FakeEngine]:
    """What only this machine can reach."""
    with fake({CHAT: said("inside")}) as running:
        yield running


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_reply_that_is_elsewhere_is_none(inside: FakeEngine, status: int) -> None:
    away = Answer(status=status, headers={"location": f"{inside.url}/v1/chat/completions"})
    with fake({CHAT: away}) as engine:
        backend = open_reference(engine.url, BackendOptions(), QUICK)
        try:
            with pytest.raises(EngineFailed):
                list(backend.start(HELLO))
            assert len(engine.bodies()) >= 1
        finally:
            backend.close()
    assert inside.asked == []


def test_no_question_at_the_beginning_follows_either(inside: FakeEngine) -> None:
    away = Answer(status=302, headers={"location": f"{inside.url}/v1/models"})
    with fake(
        {f"GET {path}": away for path in ("/v1/models", "/props", "/version", "/api/version", "/api/tags")}
    ) as engine:
        with contextlib.suppress(SamovarError):
            open_reference(engine.url.replace("://", "://key:secret@"), BackendOptions(), QUICK).close()
        assert engine.asked
    assert inside.asked == []
