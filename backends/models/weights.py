"""A folder of safetensors, described without loading it: what the model is, how large, in which numbers.

Format: https://huggingface.co/docs/safetensors, a length in eight bytes, a header in JSON, the data.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.errors import ModelBroken

SUFFIX = ".safetensors"
_LARGEST_HEADER = 100_000_000  # as the format has it
_PART = re.compile(r"-\d{5}-of-(\d{5})\.safetensors$")
_WINDOWS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "max_sequence_length")
_INNER = ("text_config", "llm_config", "language_config")


@dataclass(frozen=True, slots=True)
class Weights:
    """What a folder holds. `dtype` is that of most of the weights, as the format spells it (BF16, F16, F32 …).

    `own_code`: its settings name program code that comes along.
    """

    architecture: str
    dtype: str
    parameters: int
    size: int
    window: int
    own_code: bool


def is_weights(folder: Path) -> bool:
    """Whether a folder holds the settings and the weights of a model."""
    try:
        return (folder / "config.json").is_file() and any(folder.glob("*" + SUFFIX))
    except OSError:
        return False


def read_weights(folder: Path) -> Weights:
    """Describe a folder. Raises `ModelBroken` for what is cut short, lacks a part or cannot be read."""
    try:
        files = sorted(folder.glob("*" + SUFFIX))
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError
        _check_parts(folder, files)
        counts: Counter[str] = Counter()
        for path in files:
            counts.update(_weights_of(path))
    except OSError as error:
        raise ModelBroken(model=folder.name, reason=error.strerror or str(error)) from error
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise ModelBroken(model=folder.name, reason="its header is damaged") from error
    if not counts:
        raise ModelBroken(model=folder.name, reason="it holds no weights")
    return Weights(
        architecture=str(settings.get("model_type", "")),
        dtype=counts.most_common(1)[0][0],
        parameters=counts.total(),
        size=sum(path.stat().st_size for path in files),
        window=_window(settings),
        own_code="auto_map" in settings,
    )


def _check_parts(folder: Path, files: list[Path]) -> None:
    parts = [(path, int(found[1])) for path in files if (found := _PART.search(path.name))]
    for path, count in parts[:1]:
        stem = path.name[: -len("00001-of-00001" + SUFFIX)]
        for part in range(1, count + 1):
            if not (missing := folder / f"{stem}{part:05}-of-{count:05}{SUFFIX}").is_file():
                raise ModelBroken(model=folder.name, reason=f"its part {missing.name} is missing")


def _weights_of(path: Path) -> Counter[str]:
    """Return the number of weights of each dtype in a file, after seeing that it is whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8 or (length := struct.unpack("<Q", start)[0]) > min(size, _LARGEST_HEADER):
            raise ValueError
        tensors: Mapping[str, Any] = json.loads(file.read(length))
    counts: Counter[str] = Counter()
    end = 0
    for name, tensor in tensors.items():
        if name != "__metadata__":
            counts[str(tensor["dtype"])] += math.prod(map(int, tensor["shape"]))
            end = max(end, int(tensor["data_offsets"][1]))
    if (missing := 8 + length + end - size) > 0:
        reason = f"it is cut short: {missing} of its {size + missing} bytes are missing"
        raise ModelBroken(model=path.name, reason=reason)
    return counts


def _window(settings: Mapping[str, Any]) -> int:
    inner = [settings.get(name) for name in _INNER]
    for each in (settings, *(found for found in inner if isinstance(found, dict))):
        for name in _WINDOWS:
            if isinstance(value := each.get(name), int) and value > 0:
                return value
    return 0
