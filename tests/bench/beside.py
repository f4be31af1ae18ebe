"""How a reply flows while somebody else's prompt of 4,000 tokens is read beside it.

The same reply is written twice: alone, and with the prompt coming when a hundred tokens of it are there. A gap is the
time between two tokens, as a multiple of the usual one: what the reply took there alone, the median of a few tokens
around. Only those gaps count in which the prompt was being read.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from statistics import median

from backends.base import Backend
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import Done, Request, TextDelta, TextPrompt
from tests.bench import Bound, Measure, Setup, talks

TITLE = "a reply while a prompt of 4,000 tokens is read beside it"
UNIT = {"median": "× usual", "p99": "× usual", "worst": "× usual", "reading": "s"}
REPETITIONS = 3
WARM_UP = False
BOUNDS = (Bound("gap: worst", 4),)

WINDOW = 8192
PROMPT = 4000
WRITTEN, BEFORE = 3600, 100
AROUND = 10
OPENING = TextPrompt("The history of tea in Russia begins with a gift:")


@contextmanager
def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """See `tests.bench`."""
    options = BackendOptions(ctx=WINDOW, threads=setup.threads, gpu_layers=0, parallel=2)
    with closing(open_backend(str(setup.model), options)) as backend:
        yield {"gap": lambda seed: _gaps(backend, seed)}


@dataclass
class _Reply:
    """A reply on its way: the time of each of its tokens, in a thread of its own. Those told at once share the time."""

    backend: Backend
    seed: int
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        sampling = SamplingParams(seed=self.seed, top_k=40, max_tokens=WRITTEN, min_tokens=WRITTEN)
        self.generation = self.backend.start(Request(OPENING, sampling, "writer"))
        self.thread = threading.Thread(target=self._write)
        self.thread.start()

    def _write(self) -> None:
        for event in self.generation:
            if isinstance(event, TextDelta):
                now = time.perf_counter()
                before = self.times[-1] if self.times else now
                self.times += [before + (now - before) * (at + 1) / event.tokens for at in range(event.tokens)]

    def until(self, tokens: int) -> None:
        """Wait until so many tokens are there."""
        while self.thread.is_alive() and len(self.times) < tokens:
            time.sleep(0.01)

    def end(self) -> Sequence[float]:
        """Stop writing; return the times of its tokens."""
        self.generation.cancel()
        self.thread.join()
        return self.times


def _gaps(backend: Backend, seed: int) -> Mapping[str, float]:
    prompt = TextPrompt(_prompt(backend, seed))
    beside = _Reply(backend, seed)
    beside.until(BEFORE)
    began = time.perf_counter()
    *_, done = backend.start(Request(prompt, SamplingParams(temperature=0, max_tokens=1), "reader"))
    ended = time.perf_counter()
    assert isinstance(done, Done) and done.usage.prompt_tokens == PROMPT and done.usage.cached_tokens == 0, done
    slow = beside.end()
    alone = _Reply(backend, seed)
    alone.until(len(slow))
    usual = _between(alone.end())
    gaps = sorted(
        gap / median(usual[max(0, at - AROUND) : at + AROUND])
        for at, (gap, when) in enumerate(zip(_between(slow), slow, strict=False))
        if began < when < ended and at < len(usual)
    )
    assert len(gaps) > BEFORE, "the reply ended before anything was read beside it"
    return {"median": median(gaps), "p99": gaps[len(gaps) * 99 // 100], "worst": gaps[-1], "reading": ended - began}


def _prompt(backend: Backend, seed: int) -> str:
    """Return a text of so many tokens that nobody has read yet."""
    tokens = backend.tokenize(talks.words(random.Random(seed), PROMPT))[:PROMPT]
    text = backend.detokenize(tokens)
    while len(cut := backend.tokenize(text)) > PROMPT:
        text = backend.detokenize(cut[:PROMPT])
    return text


def _between(times: Sequence[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]
