"""The routes of the API."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from backends.base import Backend
from backends.errors import SamovarError
from webui.api import logprobs
from webui.api.answers import ChatShape, Json, TextShape
from webui.api.bodies import ChatBody, CompletionBody, DetokenizeBody, TokenizeBody, read
from webui.api.completions import Asked, Completions
from webui.api.errors import InvalidBody, WrongMethod, refusal
from webui.api.fields import Groups, chat_groups, completion_groups, dialogue, only, prompts
from webui.api.metrics import CONTENT_TYPE, exposition
from webui.api.streams import ClientGone
from webui.errors import NotFound
from webui.loader import Loader
from webui.meters import Meters
from webui.security import account_of

Handler = Callable[[Request], Awaitable[Response]]

_CLIENT_GONE = 499
"""The status in the figures for a client that did not wait; it is sent to nobody."""
_ANY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

log = logging.getLogger(__name__)


def api_router(loader: Loader, meters: Meters, completions: Completions | None = None) -> APIRouter:
    """Return the routes: everything below `/v1`, and `/metrics`. The guard has found out who asks."""
    desk = _Desk(loader, meters, completions or Completions(loader))
    router = APIRouter(include_in_schema=False)
    for method, path, handler in (
        ("GET", "/v1/models", desk.models),
        ("GET", "/v1/models/{name:path}", desk.model),
        ("POST", "/v1/chat/completions", desk.chat),
        ("POST", "/v1/completions", desk.complete),
        ("POST", "/v1/tokenize", desk.tokenize),
        ("POST", "/v1/detokenize", desk.detokenize),
        ("GET", "/metrics", desk.metrics),
    ):
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        router.add_api_route(path, _told(path, handler, meters), methods=list(allowed))
        others = [other for other in _ANY if other not in allowed]
        router.add_api_route(path, _told(path, _wrong_method(allowed), meters), methods=others)
    # Gradio answers whatever is left over, with a page of its own.
    router.add_api_route("/v1/{rest:path}", _told("other", desk.nothing, meters), methods=list(_ANY))
    return router


class _Desk:
    """The handlers."""

    def __init__(self, loader: Loader, meters: Meters, completions: Completions) -> None:
        self._loader, self._meters, self._completions = loader, meters, completions
        self._opened = int(time.time())

    async def models(self, _: Request) -> Response:
        backend = self._loader.backend
        return JSONResponse({"object": "list", "data": [self._card(backend)] if backend else []})

    async def model(self, request: Request) -> Response:
        backend = self._loader.backend
        if backend is None or request.path_params["name"] != backend.info.name:
            raise NotFound(what="model")
        return JSONResponse(self._card(backend))

    async def chat(self, request: Request) -> Response:
        body = read(ChatBody, await request.body())
        user = str(account_of(request).id)

        def groups(backend: Backend) -> Groups:
            return chat_groups(body, user, backend)

        number = logprobs.of_chat(body.more)
        asked = Asked(ChatShape(), groups, bool(body.stream), body.with_usage, alternatives=number)
        return await self._completions.answer(request, asked)

    async def complete(self, request: Request) -> Response:
        body = read(CompletionBody, await request.body())
        user = str(account_of(request).id)
        echoes = prompts(body) if body.echo else ()

        def groups(backend: Backend) -> Groups:
            return completion_groups(body, user, backend)

        number = logprobs.of_text(body.more, bool(body.echo))
        asked = Asked(TextShape(), groups, bool(body.stream), body.with_usage, echoes, number)
        return await self._completions.answer(request, asked)

    async def tokenize(self, request: Request) -> Response:
        """Cut a plain text, without any mark of the template; or a dialogue, exactly as the model would read it."""
        body = read(TokenizeBody, await request.body())
        only(body)
        backend = await self._completions.backend()
        text = next((each for each in (body.text, body.prompt, body.content) if each is not None), None)
        if body.messages is not None:
            encoded = await run_in_threadpool(backend.encode, dialogue(body.messages))
            tokens = encoded.tokens
        elif text is not None:
            tokens = await run_in_threadpool(backend.tokenize, text)
        else:
            raise InvalidBody(name="text", problem="is missing")
        return JSONResponse({"tokens": tokens, "count": len(tokens), "max_model_len": backend.info.window})

    async def detokenize(self, request: Request) -> Response:
        """Return the text of tokens, under our name for it and under vLLM's."""
        body = read(DetokenizeBody, await request.body())
        only(body)
        backend = await self._completions.backend()
        text = await run_in_threadpool(backend.detokenize, tuple(body.tokens))
        return JSONResponse({"text": text, "prompt": text})

    async def metrics(self, _: Request) -> Response:
        backend = self._loader.backend
        text = exposition(self._meters, backend.info if backend else None, getattr(backend, "kept", None))
        return Response(text, media_type=CONTENT_TYPE)

    async def nothing(self, _: Request) -> Response:
        raise NotFound(what="route")

    def _card(self, backend: Backend) -> Json:
        """Return the model as OpenAI lists it; `max_model_len` is vLLM's name for the window."""
        info = backend.info
        return {
            "id": info.name,
            "object": "model",
            "created": self._opened,
            "owned_by": "samovar",
            "max_model_len": info.window,
            "trained_window": info.trained_window,
            "fingerprint": info.fingerprint,
            "architecture": info.architecture,
            "quantization": info.quantization,
            "parameters": info.parameters,
            "size_bytes": info.size_bytes,
            "alternatives": backend.capabilities.alternatives,
            "constraints": sorted(backend.capabilities.constraints),
        }


def _wrong_method(allowed: Sequence[str]) -> Handler:
    """Return what answers the other methods of a route."""

    async def refuse(request: Request) -> Response:
        raise WrongMethod(method=request.method, allowed=", ".join(allowed))

    return refuse


def _told(path: str, handler: Handler, meters: Meters) -> Handler:
    """Return a handler that counts its requests, and tells every error in OpenAI's shape."""

    async def answer(request: Request) -> Response:
        try:
            response = await handler(request)
        except (ClientGone, ClientDisconnect):
            # While it is answered, or before it had asked to the end; so ends a body, too, that grew too large.
            response = Response(status_code=_CLIENT_GONE)
        except SamovarError as error:
            response = refusal(error)
        except Exception:
            log.exception("a request to %s failed", path)
            response = refusal(SamovarError())
        meters.answered(path, response.status_code)
        return response

    return answer
