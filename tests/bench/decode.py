"""How fast one reply is written: our engine, alone and through our HTTP API, a bare loop over the same library, and
llama.cpp's own server.

All of them get the same file, threads, window and prompt, and a process of their own; they write the same number of
tokens greedily, and are timed from the first token to the last: reading the prompt is not part of it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as native

from backends.base import Backend
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import Request, TextDelta, TextPrompt
from tests.bench import Measure, Ratio, Setup
from tests.bench.apart import apart
from tests.bench.peer import serving
from tests.bench.server import running, with_model

TITLE = "one stream, 256 tokens, greedy"
UNIT = "tokens/s"
REPETITIONS = 15
RATIOS = (
    Ratio("samovar", "llama.cpp server", 1.0),
    Ratio("samovar /v1", "llama.cpp server", 0.97),
    Ratio("samovar", "bare loop", 0.95),
)

TOKENS = 256
WINDOW = 2048
PROMPT = "The history of tea in Russia begins with a gift:"


@contextmanager
def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """Open all of them; they run one after another, never together."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        own, _ = stack.enter_context(running(folder, *with_model(setup, WINDOW)))
        found: dict[str, Measure] = {
            "samovar": stack.enter_context(apart(our_engine, setup)),
            "samovar /v1": lambda _: ours_by_http(own),
            "bare loop": stack.enter_context(apart(bare_loop, setup)),
        }
        if importlib.util.find_spec("xllamacpp"):
            url = stack.enter_context(serving(setup, WINDOW))
            found["llama.cpp server"] = lambda _: peers(url)
        yield found


@contextmanager
def our_engine(setup: Setup) -> Iterator[Measure]:
    """Yield a function that lets our engine write."""
    backend = open_backend(str(setup.model), _alone(setup))
    yield lambda _: ours(backend)
    backend.close()


def _alone(setup: Setup) -> BackendOptions:
    """Return options with one sequence, as its peers have: chats that lie idle in the pool would be looked at, too."""
    return BackendOptions(ctx=WINDOW, threads=setup.threads, gpu_layers=0, parallel=1)


def ours(backend: Backend) -> float:
    """Return the speed as the consumer of the events sees it."""
    sampling = SamplingParams(temperature=0, max_tokens=TOKENS, min_tokens=TOKENS)
    times = [
        (time.perf_counter(), event.tokens)
        for event in backend.start(Request(TextPrompt(PROMPT), sampling))
        if isinstance(event, TextDelta)
    ]
    return _speed(times)


def peers(url: str) -> float:
    """Return the speed as a client of the server sees it, streamed."""
    body = {"prompt": PROMPT, "n_predict": TOKENS, "temperature": 0, "ignore_eos": True, "stream": True}
    with _post(url + "/completion", body) as answer:
        times = [(time.perf_counter(), 1) for line in answer if b'"stop":false' in line]
    return _speed(times)


def ours_by_http(url: str) -> float:
    """Return the speed as a client of our own API sees it, streamed."""
    body = {
        "model": "any", "prompt": PROMPT, "max_tokens": TOKENS, "min_tokens": TOKENS, "temperature": 0, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip
    with _post(url + "/v1/completions", body) as answer:
        lines = [(time.perf_counter(), line) for line in answer if line.startswith(b"data: {")]
    times = [at for at, line in lines if b'"text":""' not in line and b'"text":' in line]
    assert json.loads(lines[-1][1][6:])["usage"]["completion_tokens"] == TOKENS, lines[-1]
    return (TOKENS - 1) / (times[-1] - times[0])


def _post(url: str, body: Mapping[str, object]) -> Any:
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(asked, timeout=120)


@contextmanager
def bare_loop(setup: Setup) -> Iterator[Measure]:
    """Yield a function that decodes and takes the best token, and does nothing else."""
    model = native.llama_model_load_from_file(str(setup.model).encode(), native.llama_model_default_params())
    params = native.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = WINDOW, 512, setup.threads, setup.threads
    context = native.llama_init_from_model(model, params)
    sampler = native.llama_sampler_init_greedy()
    data = PROMPT.encode()
    prompt = (native.llama_token * 64)()
    size = native.llama_tokenize(native.llama_model_get_vocab(model), data, len(data), prompt, 64, False, True)

    def run(_: int) -> float:
        native.llama_memory_clear(native.llama_get_memory(context), True)
        native.llama_decode(context, native.llama_batch_get_one(prompt, size))
        token = (native.llama_token * 1)(native.llama_sampler_sample(sampler, context, -1))
        began = time.perf_counter()
        for _ in range(TOKENS - 1):
            native.llama_decode(context, native.llama_batch_get_one(token, ctypes.c_int32(1)))
            token[0] = native.llama_sampler_sample(sampler, context, -1)
        return (TOKENS - 1) / (time.perf_counter() - began)

    yield run
    native.llama_sampler_free(sampler)
    native.llama_free(context)
    native.llama_model_free(model)


def _speed(times: list[tuple[float, int]]) -> float:
    (first, _), (last, _) = times[0], times[-1]
    return sum(tokens for _, tokens in times[1:]) / (last - first)
