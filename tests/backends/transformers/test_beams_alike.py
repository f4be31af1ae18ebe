"""Beam search on both engines over the same weights in 32 bits: the same replies, which are the library's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")
native = pytest.importorskip("llama_cpp.llama_cpp")

from backends.llamacpp import context  # noqa: E402
from backends.registry import BackendOptions, open_backend  # noqa: E402
from backends.values import TextPrompt  # noqa: E402
from tests.backends.transformers.test_beams import PROMPTS, SETTINGS, generated, ratings, searched  # noqa: E402
from tests.backends.transformers.test_families import saved  # noqa: E402
from tests.backends.transformers.tiny_gguf import write_qwen2  # noqa: E402


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Any]]:
    """A tiny random model: the library's, on transformers, and on llama.cpp."""
    folder: Path = tmp_path_factory.mktemp("qwen2")
    model = saved("qwen2", folder)
    write_qwen2(folder, model, folder / "tiny-F32.gguf")
    # llama.cpp keeps the past, and reckons attention, in 16 bits: enough to read by, too little to compare.
    params = context._params
    with pytest.MonkeyPatch.context() as patch:

        def exact(*args: Any) -> Any:
            made = params(*args)
            made.type_k = made.type_v = native.GGML_TYPE_F32
            made.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_DISABLED
            return made

        patch.setattr(context, "_params", exact)
        options = BackendOptions(backend="llamacpp", ctx=256, gpu_layers=0, parallel=2)
        local = open_backend(str(folder / "tiny-F32.gguf"), options)
    backend = open_backend(str(folder), BackendOptions(backend="transformers", gpu_layers=0, parallel=2))
    yield model, backend, local
    backend.close()
    local.close()


@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_both_engines_find_the_same(engines: tuple[Any, Any, Any], values: dict[str, Any]) -> None:
    model, backend, local = engines
    for text in PROMPTS:
        prompt = backend.encode(TextPrompt(text)).tokens
        assert local.encode(TextPrompt(text)).tokens == prompt
        tokens, done, _ = searched(backend, text, values)
        others, other, _ = searched(local, text, values)
        assert others == tokens == generated(model, list(prompt), [1], values)[0][0]
        assert ratings(other.beams) == pytest.approx(ratings(done.beams), rel=1e-4, abs=1e-3)
