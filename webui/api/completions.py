"""The life of one request for text: wait for the model, start, collect or stream, end when the client goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from backends.base import Backend
from backends.errors import SamovarError
from backends.values import Progress, Queued, Searching
from webui.api.answers import Answer, Shape
from webui.api.errors import told
from webui.api.fields import Groups
from webui.api.generations import Generations, Heard
from webui.api.streams import DONE, EventStream, comment, data, while_connected
from webui.errors import ModelLoading, NoModel
from webui.loader import Loader

PATIENCE_SECONDS = 30.0
"""How long a request waits for a model that is loading."""
KEEP_ALIVE_SECONDS = 15.0
"""How long a stream is silent at most; what stands between may close a connection that is silent for a minute."""
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for. `groups` makes the generations for a model; raises `InvalidRequest`.

    `alternatives` is how many are told of each token beside its own probability, None for nothing of the kind.
    """

    shape: Shape
    groups: Callable[[Backend], Groups]
    stream: bool
    with_usage: bool
    echoes: Sequence[str] = ()
    alternatives: int | None = None


class Completions:
    """Answers requests for text."""

    def __init__(self, loader: Loader, patience: float = PATIENCE_SECONDS, silence: float = KEEP_ALIVE_SECONDS) -> None:
        self._loader, self._patience, self._silence = loader, patience, silence

    async def backend(self) -> Backend:
        """Return the model, waiting a while for one that loads. Raises `ModelUnavailable`."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience
        while (state := self._loader.state).waiting:
            if clock() >= until:
                raise ModelLoading(name=state.choice.shown)
            await asyncio.sleep(_LOOK_SECONDS)
        if state.backend is not None:
            return state.backend
        raise state.error or NoModel

    async def answer(self, request: Request, asked: Asked) -> Response:
        """Return the answer, whole or streamed. Raises `SamovarError` before anything is sent, and `ClientGone`."""
        if not asked.stream:
            return await while_connected(request.receive, self._collect(asked))
        answer, generations = await while_connected(request.receive, self._start(asked))
        return EventStream(self._stream(answer, generations, asked.with_usage), generations.close)

    async def _start(self, asked: Asked) -> tuple[Answer, Generations]:
        backend = await self.backend()
        groups = await run_in_threadpool(asked.groups, backend)  # a large schema takes its time
        sizes = [len(group) for group in groups]
        answer = Answer(asked.shape, backend.info, sizes, asked.echoes, asked.alternatives)
        return answer, await Generations.start(backend, groups)

    async def _collect(self, asked: Asked) -> Response:
        answer, generations = await self._start(asked)
        with closing(generations):
            while not generations.over:
                for index, event in await generations.next(self._silence):
                    answer.choices[index].hear(event)
        return JSONResponse(answer.whole())

    async def _stream(self, answer: Answer, generations: Generations, with_usage: bool) -> AsyncGenerator[str, None]:
        # OpenAI has a usage in every chunk once it is asked for, null in all but the last.
        more = {"usage": None} if with_usage else {}
        try:
            for opening in answer.opening():
                yield data(opening | more)
            while not generations.over:
                heard = await generations.next(self._silence)
                yield "".join([_line(answer, each, more) for each in heard]) or comment("waiting")
            if with_usage:
                yield data(answer.closing())
        except SamovarError as error:
            yield data(told(error))
        yield DONE


def _line(answer: Answer, heard: Heard, more: dict[str, None]) -> str:
    chunk = answer.chunk(*heard)
    return data(chunk | more) if chunk else comment(_waiting(heard))


def _waiting(heard: Heard) -> str:
    match heard:
        case (_, Queued(place)):
            return f"queued {place}"
        case (_, Progress(done, total)):
            return f"reading {done}/{total}"
        case (_, Searching(tokens=tokens)):
            return f"searching {tokens}"
    return "waiting"
