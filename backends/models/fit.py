"""What a model takes of memory, and what this machine has free; no engine is imported to tell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from backends.models.gguf import Header

BITS: Mapping[str, float] = {"float32": 32, "bfloat16": 16, "float16": 16, "int8": 8, "int4": 4}
"""The dtypes of weights and the bits that each of them takes."""
SPARE = 0.85
"""The share of the free memory that weights may take; the rest is for the KV cache and the computation."""
_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Device:
    """Where a model may run: "cpu", "cuda" or "mps", what it is called, and its free bytes."""

    kind: str
    name: str
    free: int


def devices() -> tuple[Device, ...]:
    """Return the devices that are seen without an engine, the fastest first and the processor last."""
    memory = psutil.virtual_memory().available
    found = _nvidia()
    if sys.platform == "darwin" and not found:
        found = (Device("mps", "Apple", memory),)
    return (*found[:1], Device("cpu", "", memory))


def weights_bytes(parameters: int, dtype: str) -> int:
    """Return the bytes that so many weights take in a dtype, not counting the scales of a quantised one."""
    return int(parameters * BITS[dtype] / 8)


def cache_bytes(header: Header, window: int) -> int:
    """Return the bytes of llama.cpp's KV cache in 16 bits for a window; 0 where the header does not tell.

    Each layer keeps a key and a value of every head for each token. Models that keep less are told too much of.
    """

    def told(name: str) -> int:
        value = header.metadata.get(f"{header.architecture}.{name}")
        return value if isinstance(value, int) else 0

    heads, width = told("attention.head_count"), told("embedding_length")
    if not heads or not width:
        return 0
    kept = told("attention.head_count_kv") or heads
    sizes = [told(f"attention.{name}_length") or width // heads for name in ("key", "value")]
    return header.layers * kept * sum(sizes) * 2 * window


def fits(needed: int, free: int) -> bool:
    """Whether a model of that size leaves enough room on a device with so many free bytes."""
    return needed <= free * SPARE


def _nvidia() -> tuple[Device, ...]:
    if not shutil.which("nvidia-smi"):
        return ()
    query = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [line.rpartition(",") for line in said.splitlines()]
    return tuple(Device("cuda", name.strip(), int(free) << 20) for name, _, free in rows if free.strip().isdecimal())
