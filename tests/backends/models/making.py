"""Small GGUF files, made by the book, and what breaks them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = int | float | bool | str | list[str] | list[int]

MODEL: Mapping[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Тест",
    "llama.context_length": 4096,
    "llama.block_count": 12,
    "general.file_type": 15,
    "tokenizer.ggml.tokens": ["a", "bc", "", "день"] * 50,
    "tokenizer.ggml.token_type": [1] * 200,
    "tokenizer.chat_template": "{{ messages }}",
}
TENSORS = (("token_embd.weight", (256, 4), 12), ("output_norm.weight", (256,), 0))
"""Name, dimensions, number of the type: Q4_K and F32."""
_BYTES: Mapping[int, tuple[int, int]] = {0: (1, 4), 12: (256, 144), 99: (1, 1)}


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key: str, value: Value) -> bytes:
    return text(key) + _typed(value)


def _typed(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value) if value < 1 << 32 else struct.pack("<IQ", 10, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(str(each)) for each in value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def gguf(
    metadata: Mapping[str, Value] = MODEL,
    tensors: Sequence[tuple[str, Sequence[int], int]] = TENSORS,
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    """Return a whole file; its weights are zeros."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    head += b"".join(entry(key, value) for key, value in metadata.items())
    offset, infos = 0, b""
    for name, dimensions, kind in tensors:
        infos += text(name) + struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        infos += struct.pack("<IQ", kind, offset)
        block, size = _BYTES[kind]
        weights = 1
        for dimension in dimensions:
            weights *= dimension
        end = offset + weights // block * size
        offset = -(-end // alignment) * alignment
    head += infos
    start = -(-len(head) // alignment) * alignment
    return head.ljust(start, b"\0") + bytes(end if tensors else 0)


def put(path: Path, data: bytes | None = None) -> Path:
    """Write a file with its folders; without data a small whole model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf() if data is None else data)
    return path
