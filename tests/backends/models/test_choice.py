"""Which file of a repository is taken."""

from __future__ import annotations

import pytest

from backends.errors import InvalidParameter
from backends.models.choice import choose


def names(*labels: str) -> list[str]:
    return [f"model-{label}.gguf" for label in labels]


@pytest.mark.parametrize(
    ("labels", "taken"),
    [
        (["Q2_K", "Q4_K_M", "Q4_K_S", "Q8_0"], "Q4_K_M"),
        (["Q2_K", "Q4_K_S", "Q5_K_M", "Q8_0"], "Q4_K_S"),
        (["Q2_K", "Q5_K_M", "Q8_0", "F16"], "Q5_K_M"),
        (["Q2_K", "Q8_0"], "Q8_0"),
        (["F16", "F32"], "F16"),
        (["Q9_X", "F32"], "F32"),
        (["UD-Q4_K_XL", "Q3_K_M"], "UD-Q4_K_XL"),
    ],
)
def test_the_best_that_there_is(labels: list[str], taken: str) -> None:
    assert choose("m", names(*labels)) == (f"model-{taken}.gguf",)


def test_one_file_without_a_label_is_taken() -> None:
    assert choose("m", ["model.gguf", "README.md"]) == ("model.gguf",)
    assert choose("m", ["README.md"]) == ()


def test_what_is_asked_for() -> None:
    there = names("Q4_K_M", "UD-Q5_K_XL", "fp16")
    assert choose("m", there, "q5_k_xl") == choose("m", there, "UD-Q5_K_XL") == ("model-UD-Q5_K_XL.gguf",)
    assert choose("m", there, "F16") == choose("m", there, "fp16") == ("model-fp16.gguf",)


def test_several_models_in_one_repository_must_be_told_apart() -> None:
    there = ["small-Q4_K_M.gguf", "large-Q4_K_M.gguf", "large-Q8_0.gguf"]
    for asked in ("", "Q4_K_M"):
        with pytest.raises(InvalidParameter) as caught:
            choose("user/repo", there, asked)
        assert caught.value.details["allowed"] == "large-Q4_K_M.gguf, small-Q4_K_M.gguf"
    assert choose("m", there, "small-Q4_K_M.gguf") == ("small-Q4_K_M.gguf",)
    with pytest.raises(InvalidParameter) as caught:
        choose("m", there, "Q2_K")
    assert "large-Q8_0.gguf" in str(caught.value.details["allowed"])


def test_only_whole_split_models_count() -> None:
    halves = [f"big-Q4_K_M-{part:05}-of-00002.gguf" for part in (2, 1)]
    assert choose("m", [*halves, "big-Q8_0.gguf"]) == tuple(reversed(halves))
    assert choose("m", [halves[0], "big-Q8_0.gguf"]) == ("big-Q8_0.gguf",)
    assert choose("m", halves, "big-Q4_K_M-00002-of-00002.gguf") == tuple(reversed(halves))
