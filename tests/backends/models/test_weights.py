"""Folders of safetensors, described from their headers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from backends.errors import ModelBroken
from backends.models.library import Library
from backends.models.weights import is_weights, read_weights
from tests.backends.models.making import put

BYTES = {"F32": 4, "BF16": 2}


def safetensors(tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = BYTES[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


MODEL = safetensors({"a": ("BF16", [10, 20]), "b": ("BF16", [7]), "norm": ("F32", [5]), "empty": ("F32", [0, 3])})


def folder(place: Path, settings: dict[str, Any] | str, **files: bytes) -> Path:
    place.mkdir(parents=True)
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (place / "config.json").write_text(text, encoding="utf-8")
    for name, data in files.items():
        (place / f"{name}.safetensors").write_bytes(data)
    return place


def test_what_a_folder_holds(tmp_path: Path) -> None:
    place = folder(tmp_path / "m", {"model_type": "qwen2", "max_position_embeddings": 4096}, model=MODEL)
    found = read_weights(place)
    assert (found.architecture, found.dtype, found.parameters, found.window) == ("qwen2", "BF16", 212, 4096)
    assert found.size == len(MODEL) and not found.own_code
    assert is_weights(place) and not is_weights(tmp_path)


def test_what_its_settings_tell(tmp_path: Path) -> None:
    settings = {"auto_map": {"AutoModel": "code.Model"}, "text_config": {"n_positions": 512}}
    found = read_weights(folder(tmp_path / "m", settings, model=MODEL))
    assert found.own_code and found.window == 512 and found.architecture == ""


def test_parts(tmp_path: Path) -> None:
    names = {f"model-{part:05}-of-00003": MODEL for part in (1, 2, 3)}
    assert read_weights(folder(tmp_path / "whole", {}, **names)).parameters == 3 * 212
    del names["model-00002-of-00003"]
    with pytest.raises(ModelBroken, match=r"model-00002-of-00003\.safetensors is missing"):
        read_weights(folder(tmp_path / "lacking", {}, **names))


@pytest.mark.parametrize(
    ("settings", "data", "reason"),
    [
        ({}, MODEL[:-3], f"3 of its {len(MODEL)} bytes are missing"),
        ({}, b"short", "header"),
        ({}, struct.pack("<Q", 1 << 60) + b"{}", "header"),
        ({}, struct.pack("<Q", 4) + b"[1]]", "header"),
        ({}, struct.pack("<Q", 12) + b'{"a":{"x":1}', "header"),
        ("{", MODEL, "header"),
        ("[]", MODEL, "header"),
        ({}, safetensors({}), "no weights"),
    ],
)
def test_what_is_broken(tmp_path: Path, settings: Any, data: bytes, reason: str) -> None:
    with pytest.raises(ModelBroken, match=reason):
        read_weights(folder(tmp_path / "m", settings, model=data))


def test_folders_are_in_the_library_beside_files(tmp_path: Path) -> None:
    put(tmp_path / "b-Q8_0.gguf")
    folder(tmp_path / "safetensors" / "user" / "A model", {"auto_map": {}}, model=MODEL)
    folder(tmp_path / "cut", {}, model=MODEL[:-1])
    listed = Library(tmp_path).models()
    assert [(each.name, each.format) for each in listed] == [
        ("A model", "safetensors"), ("b", "gguf"), ("cut", "safetensors"),
    ]  # fmt: skip
    model, _, cut = listed
    assert (model.quantization, model.parameters, model.size) == ("BF16", 212, len(MODEL))
    assert model.own_code and model.path.name == "A model" and not model.error
    assert isinstance(cut.error, ModelBroken)
