"""What a loaded model is called and how it is told from others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from llama_cpp import llama_cpp as native

from backends.llamacpp.model import Model
from backends.llamacpp.vocabulary import Vocabulary
from backends.models.gguf import read_header
from backends.models.names import read_name
from backends.values import ModelInfo

_HEAD = 1 << 22
_SAMPLE, _SAMPLES = 1 << 16, 16


def fingerprint(path: Path) -> str:
    """Return a hash of a file's size, its beginning (a GGUF header) and samples of the rest; cheap at any size."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_HEAD))
        for index in range(1, _SAMPLES + 1):
            file.seek(max(0, (size - _SAMPLE) * index // _SAMPLES))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:32]


def describe(model: Model, vocabulary: Vocabulary, window: int, template: str) -> ModelInfo:
    """Return what is loaded, with `window` tokens of room and the chat template of that name."""
    # The names inside are often those of a training run; people know the model by its file.
    named, header = read_name(model.path), read_header(model.path)
    return ModelInfo(
        name=named.title if named else model.path.stem,
        fingerprint=fingerprint(model.path),
        tokenizer=hashlib.sha256(
            f"{vocabulary.fingerprint} {model.metadata('tokenizer.ggml.model')} "
            f"{model.metadata('tokenizer.ggml.pre')} {model.metadata('tokenizer.ggml.add_space_prefix')}".encode()
        ).hexdigest()[:32],
        window=window,
        trained_window=model.trained_window,
        template=template,
        architecture=model.metadata("general.architecture"),
        quantization=header.quantization,
        parameters=native.llama_model_n_params(model.handle),
        size_bytes=native.llama_model_size(model.handle),
        engine="llama.cpp",
    )
