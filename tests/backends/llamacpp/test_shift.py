"""Whether a model still reads well after the front of a dialogue was taken out and the rest moved up.

Measured with the starter model on six pages of the Python manual: 64 tokens of head, 700 taken out, 700 moved up, and
then 256 new ones, which are rated. Perplexity after the shift : after reading anew = 12.233 : 12.269 = 0.997 in the
mean, from 0.981 to 1.016 by page. What stays was computed with the removed part in view, which a cold read lacks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from llama_cpp import llama_cpp as library

from backends.llamacpp.executor import Outcome, Part
from backends.llamacpp.parking import Memory
from tests.backends.llamacpp.native import Bare

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def bare(starter_model: Path) -> Iterator[Bare]:
    bare = Bare(starter_model, window=2048)
    yield bare
    bare.close()


def prose(bare: Bare, topic: str, size: int) -> tuple[int, ...]:
    """Return the first tokens of a page of the Python manual, as one would write it in a chat."""
    return bare.ids(re.sub(r"\s+", " ", topics[topic]))[:size]


def read(bare: Bare, tokens: Sequence[int], start: int) -> None:
    for at in range(0, len(tokens), 512):
        part = tokens[at : at + 512]
        assert bare.context.decode([Part(0, start + at, part, 1)]) is Outcome.DONE


def losses(bare: Bare, tokens: Sequence[int], start: int, step: int = 4) -> list[float]:
    """Read tokens and return the surprise of each but the first, in nats."""
    found: list[float] = []
    for at in range(0, len(tokens) - 1, step):
        part = tokens[at : min(at + step, len(tokens) - 1)]
        assert bare.context.decode([Part(0, start + at, part, len(part))]) is Outcome.DONE
        for index in range(len(part)):
            pointer = library.llama_get_logits_ith(bare.context.handle, index)
            logits = np.ctypeslib.as_array(pointer, (bare.vocabulary.size,)).astype(np.float64)
            top = logits.max()
            found.append(float(top + math.log(np.exp(logits - top).sum()) - logits[tokens[at + index + 1]]))
    return found


def compared(bare: Bare, topic: str, head: int, gap: int, kept: int, new: int) -> tuple[float, float]:
    """Return the mean surprise of the new tokens: after a shift, and after reading anew."""
    tokens = prose(bare, topic, head + gap + kept + new)
    assert len(tokens) == head + gap + kept + new
    rest, fresh = tokens[head + gap : head + gap + kept], tokens[head + gap + kept :]
    bare.context.cut(0, 0)
    read(bare, tokens[: head + gap + kept], 0)
    assert bare.context.shift(0, head, head + gap)
    shifted = losses(bare, fresh, head + kept)
    bare.context.cut(0, 0)
    read(bare, (*tokens[:head], *rest), 0)
    anew = losses(bare, fresh, head + kept)
    return float(np.mean(shifted)), float(np.mean(anew))


def test_a_move_alone_changes_nothing_but_the_last_digits(bare: Bare) -> None:
    """RoPE is relative: read further back and moved up, a text predicts what it predicts at its place."""
    tokens = prose(bare, "numeric-types", 96)
    bare.context.cut(0, 0)
    read(bare, tokens[:64], 0)
    at_home = losses(bare, tokens[64:], 64)
    bare.context.cut(0, 0)
    assert bare.context.decode([Part(0, 500, tokens[:64], 0)]) is Outcome.DONE
    library.llama_memory_seq_add(library.llama_get_memory(bare.context.handle), 0, 0, -1, -500)
    moved = losses(bare, tokens[64:], 64)
    assert np.abs(np.subtract(moved, at_home)).mean() < 0.05
    assert abs(np.mean(moved) - np.mean(at_home)) < 0.03


def test_after_a_shift_a_text_is_predicted_as_well_as_when_read_anew(bare: Bare) -> None:
    shifted, anew = compared(bare, "exceptions", 32, 150, 150, 48)
    assert shifted < anew + 0.15


def test_a_move_is_not_broken_off_and_nothing_is_saved_in_the_middle_of_it(bare: Bare) -> None:
    """The keys are rotated with the next decode: until then a saved state would hold them unrotated."""
    tokens = prose(bare, "numeric-types", 100)
    bare.context.cut(0, 0)
    read(bare, tokens[:90], 0)
    memory = Memory(bare.context.measure(0))
    assert bare.context.save(0, memory)
    assert bare.context.shift(0, 10, 40)
    assert not bare.context.save(0, memory)
    bare.context.interrupt()
    assert bare.context.decode([Part(0, 60, tokens[90:91], 1)]) is Outcome.DONE
    assert bare.context.decode([Part(0, 61, tokens[91:92], 1)]) is Outcome.ABORTED
    bare.context.resume()
    assert bare.context.save(0, Memory(bare.context.measure(0)))
