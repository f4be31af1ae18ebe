"""How fast many replies are written at once: our engine, and llama.cpp's own server with as many slots.

All streams begin together, each with a prompt of its own, and write the same number of tokens greedily. "total" counts
their tokens from the first request to the last token; "slowest" is the pace of the slowest stream as a share of the
mean pace.
"""

from __future__ import annotations

import importlib.util
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import mean

from backends.base import Backend
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import Done, Request, TextPrompt
from tests.bench import Bound, Measure, Ratio, Setup
from tests.bench.apart import apart
from tests.bench.peer import serving

TITLE = "many streams at once, 48 tokens each, greedy"
UNIT = {"total": "tokens/s", "slowest": ""}
REPETITIONS = 5
STREAMS = (2, 4, 8, 16)
TOKENS = 48
WINDOW = 512
"""For each stream."""

_OURS, _PEER = "samovar, {} streams", "llama.cpp server, {} streams"
RATIOS = tuple(Ratio(f"{_OURS.format(n)}: total", f"{_PEER.format(n)}: total", 1.0) for n in STREAMS)
BOUNDS = tuple(Bound(f"{_OURS.format(n)}: slowest", 0.8, at_least=True) for n in STREAMS)


@contextmanager
def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """Open an engine and a server for each number of streams; only one of them works at a time."""
    found: dict[str, Measure] = {}
    with ExitStack() as stack:
        for streams in STREAMS:
            found[_OURS.format(streams)] = stack.enter_context(apart(our_streams, setup, streams))
            if importlib.util.find_spec("xllamacpp"):
                url = stack.enter_context(serving(setup, WINDOW * streams, streams))
                found[_PEER.format(streams)] = _together(streams, _peers(url))
        yield found


@contextmanager
def our_streams(setup: Setup, streams: int) -> Iterator[Measure]:
    """Yield a measure of our engine with room for so many streams."""
    options = BackendOptions(ctx=WINDOW * streams, threads=setup.threads, gpu_layers=0, parallel=streams)
    backend = open_backend(str(setup.model), options)
    yield _together(streams, _ours(backend))
    backend.close()


def _together(streams: int, write: Callable[[str], None]) -> Measure:
    """Return a measure that lets so many threads write at once."""

    def measure(seed: int) -> Mapping[str, float]:
        taken = [0.0] * streams
        barrier = threading.Barrier(streams + 1)

        def stream(number: int) -> None:
            prompt = f"Chapter {seed * 100 + number}. The history of tea in Russia begins with a gift:"
            barrier.wait()
            began = time.perf_counter()
            write(prompt)
            taken[number] = time.perf_counter() - began

        threads = [threading.Thread(target=stream, args=(number,)) for number in range(streams)]
        for thread in threads:
            thread.start()
        barrier.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        whole = time.perf_counter() - began
        assert all(taken), "a stream failed"
        paces = [TOKENS / seconds for seconds in taken]
        return {"total": streams * TOKENS / whole, "slowest": min(paces) / mean(paces)}

    return measure


def _ours(backend: Backend) -> Callable[[str], None]:
    sampling = SamplingParams(temperature=0, max_tokens=TOKENS, min_tokens=TOKENS)

    def write(prompt: str) -> None:
        *_, done = backend.start(Request(TextPrompt(prompt), sampling))
        assert isinstance(done, Done) and done.usage.completion_tokens == TOKENS

    return write


def _peers(url: str) -> Callable[[str], None]:
    def write(prompt: str) -> None:
        body = {"prompt": prompt, "n_predict": TOKENS, "temperature": 0, "ignore_eos": True, "stream": True}
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(url + "/completion", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=120) as answer:
            assert sum(b'"stop":false' in line for line in answer) >= TOKENS - 1

    return write
