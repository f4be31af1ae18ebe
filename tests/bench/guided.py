"""What a shape costs: one reply that is free, and one that is held to a typical JSON schema, with the usual levers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from backends.base import Backend
from backends.constraints import Constraint
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Message, Request, TextDelta
from tests.bench import Measure, Ratio, Setup

TITLE = "one stream, held to a JSON schema"
UNIT = "tokens/s"
REPETITIONS = 5
RATIOS = (Ratio("schema", "free", 0.9),)

TOKENS = 128
PROMPT = ChatPrompt((Message("user", "Tell me about twelve cats, each with a name, an age and a few words about it."),))
_CAT = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 30},
        "about": {"type": "string", "maxLength": 200},
        "kind": {"enum": ["house cat", "street cat", "wild cat"]},
    },
    "required": ["name", "age", "about", "kind"],
    "additionalProperties": False,
}
SCHEMA = Constraint("schema", json.dumps({"type": "array", "items": _CAT, "minItems": 12, "maxItems": 12}))


@contextmanager
def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """See `tests.bench`."""
    options = BackendOptions(ctx=2048, threads=setup.threads, gpu_layers=0, parallel=1)
    with closing(open_backend(str(setup.model), options)) as backend:
        yield {"free": lambda seed: _speed(backend, None, seed), "schema": lambda seed: _speed(backend, SCHEMA, seed)}


def _speed(backend: Backend, constraint: Constraint | None, seed: int) -> float:
    sampling = SamplingParams(temperature=0.7, top_p=0.9, top_k=40, seed=seed, max_tokens=TOKENS, min_tokens=TOKENS)
    request = Request(PROMPT, sampling, constraint=constraint)
    times = [(time.perf_counter(), event.tokens) for event in backend.start(request) if isinstance(event, TextDelta)]
    (first, _), (last, _) = times[0], times[-1]
    return sum(tokens for _, tokens in times[1:]) / (last - first)
