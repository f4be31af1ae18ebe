"""What a loaded model is called and how it is told from others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from backends.models.gguf import read_header
from backends.models.names import read_name
from backends.transformers.model import Loaded, settings_text, trained_window
from backends.transformers.vocabulary import Vocabulary
from backends.values import ModelInfo

_HEAD = 1 << 22
_SAMPLE, _SAMPLES = 1 << 16, 16


def fingerprint(loaded: Loaded) -> str:
    """Return a hash of the settings and of samples of the weights; cheap at any size."""
    quantised = loaded.place.dtype if loaded.place.dtype.startswith("int") else ""
    digest = hashlib.sha256(f"{settings_text(loaded.source)} {quantised}".encode())
    for path in loaded.source.weights:
        _sample(path, digest)
    return digest.hexdigest()[:32]


def describe(loaded: Loaded, vocabulary: Vocabulary, window: int, template: str) -> ModelInfo:
    """Return what is loaded, with `window` tokens of room and the chat template of that name."""
    source, model = loaded.source, loaded.model
    named = read_name(source.weights[0]) if source.gguf else None
    kept = loaded.place.dtype
    return ModelInfo(
        name=named.title if named else source.folder.name,
        fingerprint=fingerprint(loaded),
        tokenizer=vocabulary.fingerprint,
        window=window,
        trained_window=trained_window(loaded.config) or window,
        template=template,
        architecture=str(loaded.config.model_type),
        # A GGUF file's weights are unpacked while loading: what is computed with is the dtype.
        quantization=f"{read_header(source.weights[0]).quantization} → {kept}" if source.gguf else kept,
        parameters=sum(weight.numel() for weight in model.parameters()),
        size_bytes=sum(weight.numel() * weight.element_size() for weight in model.parameters()),
        engine="transformers",
    )


def _sample(path: Path, digest: hashlib._Hash) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_HEAD))
        for index in range(1, _SAMPLES + 1):
            file.seek(max(0, (size - _SAMPLE) * index // _SAMPLES))
            digest.update(file.read(_SAMPLE))
