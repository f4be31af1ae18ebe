"""The header reader: what it tells of a whole file, and how it takes every kind of broken one."""

from __future__ import annotations

import contextlib
import ctypes
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.errors import ModelBroken, ModelNotFound, ModelUnsupported
from backends.models.gguf import Header, read_header
from backends.models.tensor_types import FILE_TYPES, TENSOR_TYPES
from tests.backends.models.making import MODEL, TENSORS, entry, gguf, put, text

Read = Callable[[bytes], Header]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return lambda data: read_header(put(tmp_path / "model.gguf", data))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [8, 32, 1024])
def test_what_a_model_is(read: Read, version: int, alignment: int) -> None:
    data = gguf({**MODEL, "general.alignment": alignment}, version=version, alignment=alignment)
    header = read(data)
    assert (header.architecture, header.name, header.kind) == ("llama", "Тест", "model")
    assert (header.quantization, header.window, header.layers) == ("Q4_K_M", 4096, 12)
    assert header.parameters == 256 * 4 + 256
    assert header.has_template
    assert header.size == len(data)
    assert header.metadata["general.file_type"] == 15
    assert "tokenizer.ggml.tokens" not in header.metadata


def test_what_is_not_said(read: Read) -> None:
    header = read(gguf({"general.architecture": "llama"}))
    assert (header.name, header.window, header.layers, header.has_template) == ("", 0, 0, False)
    assert header.quantization == "Q4_K", "told by the tensors"
    assert read(gguf({}, ())).quantization == ""


def test_the_file_name_tells_the_quantisation_before_the_tensors_do(tmp_path: Path) -> None:
    assert read_header(put(tmp_path / "a-IQ2_M.gguf", gguf({}))).quantization == "IQ2_M"


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [
        ({"general.architecture": "clip"}, "mmproj"),
        ({"adapter.type": "lora"}, "adapter"),
        ({"general.type": "imatrix"}, "imatrix"),
    ],
)
def test_what_is_no_model(read: Read, metadata: dict[str, Any], kind: str) -> None:
    assert read(gguf(metadata)).kind == kind


def test_a_type_from_the_future_is_not_judged(read: Read) -> None:
    data = gguf(tensors=(("a", (64,), 99), *TENSORS))
    assert read(data).size == len(data)


@pytest.mark.parametrize("missing", [1, 100, 1000])
def test_a_file_cut_short_says_by_how_much(read: Read, missing: int) -> None:
    data = gguf()
    with pytest.raises(ModelBroken, match=f"{missing} of its {len(data)} bytes are missing"):
        read(data[:-missing])


def test_a_header_cut_anywhere_is_broken(tmp_path: Path) -> None:
    data = gguf({"a": "b", "c": ["d", "e"], "f": [1, 2]})
    path = tmp_path / "model.gguf"
    for size in range(len(data)):
        put(path, data[:size])
        with pytest.raises(ModelBroken):
            read_header(path)


def test_any_wrong_byte_is_taken_calmly(tmp_path: Path) -> None:
    """Each byte of a header set to 255 and to 0: some error of ours, or a header; never another exception."""
    data = gguf({"a": "b", "c": ["d", "e"], "f": [1, 2], "g": True}, TENSORS[:1])
    path = tmp_path / "model.gguf"
    for at in range(min(len(data), 300)):
        for value in (0, 255):
            put(path, data[:at] + bytes([value]) + data[at + 1 :])
            with contextlib.suppress(ModelBroken, ModelUnsupported):
                read_header(path)


HEAD = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
HUGE = 1 << 62
BOMBS = {
    "keys": b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE),
    "tensors": b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0),
    "key": HEAD + struct.pack("<Q", HUGE),
    "text": HEAD + text("a") + struct.pack("<IQ", 8, HUGE),
    "numbers": HEAD + text("a") + struct.pack("<IIQ", 9, 10, HUGE),
    "texts": HEAD + text("a") + struct.pack("<IIQ", 9, 8, HUGE),
    "within": HEAD + text("a") + struct.pack("<IIQ", 9, 8, 2) + struct.pack("<Q", HUGE),
    "nested": HEAD + text("a") + struct.pack("<IIQ", 9, 9, 3),
    "type": HEAD + text("a") + struct.pack("<I", 77),
    "alignment": b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + entry("general.alignment", 33),
    "dimensions": b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("a") + struct.pack("<I", 1 << 31),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_a_header_claims_costs_nothing(tmp_path: Path, bomb: str) -> None:
    path = put(tmp_path / "model.gguf", BOMBS[bomb].ljust(200, b"\0"))
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a sparse terabyte: the claim is not refused for want of a file
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(ModelBroken):
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"GG", "not a GGUF"),
        (b"PK\3\4" * 20, "not a GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    ],
)
def test_what_is_not_gguf(read: Read, data: bytes, reason: str) -> None:
    with pytest.raises(ModelBroken, match=reason):
        read(data)


@pytest.mark.parametrize(("version", "reason"), [(1, "version 1"), (4, "version 4"), (3 << 24, "big-endian")])
def test_unknown_versions(read: Read, version: int, reason: str) -> None:
    with pytest.raises(ModelUnsupported, match=reason):
        read(gguf(version=version))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        read_header(tmp_path / "none.gguf")
    with pytest.raises(ModelBroken):
        read_header(tmp_path)


@pytest.mark.model
def test_the_starter_model_quickly(starter_model: Path) -> None:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        header = read_header(starter_model)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05
    assert (header.architecture, header.quantization, header.window, header.layers) == ("llama", "Q4_1", 8192, 30)
    assert header.parameters == 134_515_008
    assert header.size == starter_model.stat().st_size
    assert header.has_template


@pytest.mark.model
def test_the_tables_are_those_of_the_engine() -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    library = pytest.importorskip("llama_cpp._ggml").libggml
    library.ggml_type_name.restype, library.ggml_type_size.restype = ctypes.c_char_p, ctypes.c_size_t
    library.ggml_blck_size.restype = ctypes.c_int64
    for number, each in TENSOR_TYPES.items():
        assert library.ggml_type_name(number).decode().upper() == each.name
        assert (library.ggml_blck_size(number), library.ggml_type_size(number)) == (each.block, each.size)
    for number, name in FILE_TYPES.items():
        spoken = llama_cpp.llama_ftype_name(number).decode().removeprefix("all ").split()[0]
        assert name.startswith(spoken) or (name, spoken) == ("IQ3_M", "IQ3_S")
