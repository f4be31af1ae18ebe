"""What a model takes, reckoned by hand, and what machines have."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from backends.models import fit
from backends.models.fit import Device, cache_bytes, fits, weights_bytes
from backends.models.gguf import read_header
from tests.backends.models.making import MODEL, gguf, put


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("float32", 28e9), ("bfloat16", 14e9), ("float16", 14e9), ("int8", 7e9), ("int4", 3.5e9)],
)
def test_seven_billion_weights(dtype: str, size: float) -> None:
    assert weights_bytes(7_000_000_000, dtype) == size


def test_room_is_left() -> None:
    assert fits(85, 100) and not fits(86, 100)


def test_the_cache_of_llama_2_7b(tmp_path: Any) -> None:
    """32 layers of 4096 numbers, twice, in 16 bits: half a megabyte a token, as its makers' paper has it."""
    told = {"general.architecture": "llama", "llama.block_count": 32, "llama.embedding_length": 4096,
            "llama.attention.head_count": 32}  # fmt: skip
    header = read_header(put(tmp_path / "a.gguf", gguf({**MODEL, **told})))
    assert cache_bytes(header, 4096) == 2 << 30
    grouped = {**MODEL, **told, "llama.attention.head_count_kv": 8}
    assert cache_bytes(read_header(put(tmp_path / "b.gguf", gguf(grouped))), 4096) == 512 << 20
    silent = read_header(put(tmp_path / "c.gguf"))
    assert cache_bytes(silent, 4096) >= 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("NVIDIA RTX 3060, 11264\nNVIDIA A, with comma, 100\n", Device("cuda", "NVIDIA RTX 3060", 11 << 30)),
        ("No devices were found\n", None),
        ("NVIDIA GB10, [N/A]\n", None),
    ],
)  # fmt: skip
def test_a_card_that_is_seen(monkeypatch: pytest.MonkeyPatch, said: str, expected: Device | None) -> None:
    monkeypatch.setattr(fit.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(fit.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=said))
    found = fit.devices()
    assert found[-1].kind == "cpu" and found[-1].free > 0
    assert (found[0] if len(found) > 1 else None) == expected


def test_a_driver_that_hangs_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    monkeypatch.setattr(fit.shutil, "which", lambda name: name)
    monkeypatch.setattr(fit.subprocess, "run", hang)
    assert [device.kind for device in fit.devices()] == ["cpu"]
