"""The table of knobs: which of them matter together."""

from __future__ import annotations

import pytest

from backends.errors import InvalidParameter
from backends.sampling import BEAM_KNOBS, MAX_BEAMS, NEUTRAL, SamplingParams

DRAWN = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "xtc_probability": 0.5, "mirostat": 2,
         "dynatemp_range": 0.2}  # fmt: skip
KEPT = {"repeat_penalty": 1.2, "dry_multiplier": 0.8, "no_repeat_ngram_size": 3, "min_tokens": 5, "stop": ["x"],
        "banned_tokens": [3], "max_tokens": 9, "seed": 4}  # fmt: skip


def test_greedy_leaves_no_draw_to_shape() -> None:
    found = SamplingParams.from_mapping({**DRAWN, **KEPT, "temperature": 0}).canonical()
    assert found.difference() == {"temperature": 0.0, **KEPT}


def test_beams_leave_no_draw_to_shape_and_no_temperature() -> None:
    beams = {"num_beams": 4, "length_penalty": 0.5, "early_stopping": 2}
    for temperature in (0, 0.5, 2):
        found = SamplingParams.from_mapping({**DRAWN, **KEPT, **beams, "temperature": temperature}).canonical()
        assert found.difference() == {**KEPT, **beams}


def test_without_beams_nothing_ends_their_search() -> None:
    found = SamplingParams.from_mapping({**DRAWN, "length_penalty": 0.5, "early_stopping": 2}).canonical()
    assert found.difference() == DRAWN
    assert {"num_beams", "length_penalty", "early_stopping"} == BEAM_KNOBS
    assert NEUTRAL.canonical() == NEUTRAL


@pytest.mark.parametrize("values", [{"num_beams": 0}, {"num_beams": MAX_BEAMS + 1}, {"early_stopping": 3},
                                    {"length_penalty": 9}])  # fmt: skip
def test_values_out_of_range(values: dict[str, float]) -> None:
    with pytest.raises(InvalidParameter):
        SamplingParams.from_mapping(values)
