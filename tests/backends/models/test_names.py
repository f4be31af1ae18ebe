"""What file names tell."""

from __future__ import annotations

import pytest

from backends.models.names import ModelName, part_name, plain_label, read_name


@pytest.mark.parametrize(
    ("name", "title", "label"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct", "Q4_1"),
        ("gemma-3-4b-it-q4_0.gguf", "gemma-3-4b-it", "Q4_0"),
        ("Qwen3-4B-UD-Q4_K_XL.GGUF", "Qwen3-4B", "UD-Q4_K_XL"),
        ("qwen2.5-0.5b-instruct-fp16.gguf", "qwen2.5-0.5b-instruct", "F16"),
        ("gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b", "MXFP4"),
        ("Meta-Llama-3.1-8B-Instruct-IQ3_XXS.gguf", "Meta-Llama-3.1-8B-Instruct", "IQ3_XXS"),
        ("model-BF16.gguf", "model", "BF16"),
        ("IQ4_XS/model.gguf", "model", "IQ4_XS"),
        ("Q8_0.gguf", "Q8_0", "Q8_0"),
        ("Моя модель.gguf", "Моя модель", ""),
        ("Q4you-7B.gguf", "Q4you-7B", ""),
    ],
)
def test_a_name_taken_apart(name: str, title: str, label: str) -> None:
    read = read_name(name)
    assert read is not None
    assert (read.title, read.label, read.part, read.parts) == (title, label, 1, 1)


def test_the_parts_of_a_split_model_have_one_stem() -> None:
    first, second = read_name("Q6_K/big-Q6_K-00001-of-00002.gguf"), read_name("Q6_K/big-Q6_K-00002-of-00002.gguf")
    assert first == ModelName("Q6_K/big-Q6_K", "Q6_K", 1, 2)
    assert second == ModelName("Q6_K/big-Q6_K", "Q6_K", 2, 2)
    assert first.title == "big"
    assert part_name("big-Q6_K-00001-of-00002.gguf", 2) == "big-Q6_K-00002-of-00002.gguf"


@pytest.mark.parametrize("name", ["README.md", "model.safetensors", "mmproj-model-f16.gguf", "a.imatrix.gguf", "gguf"])
def test_what_is_no_model(name: str) -> None:
    assert read_name(name) is None


def test_labels_are_compared_in_one_spelling() -> None:
    assert plain_label(" q4_k_m") == "Q4_K_M"
    assert plain_label("fp16") == "F16"
