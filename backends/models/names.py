"""What the names of GGUF files tell: the quantisation, the parts of a split model, the model's own name.

The habits are those of the GGUF naming convention, `<name>-<encoding>[-<part>-of-<parts>].gguf`, taken loosely.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

SUFFIX = ".gguf"
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})$")
_LABEL = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q[1-8](?:_[0-9A-Z]+)*|TQ[12]_0|(?:MX|NV)FP4(?:_MOE)?|(?:BF|FP|F)16|(?:FP|F)32))"
    r"(?=$|[-._/])",
    re.IGNORECASE,
)
_BESIDE = re.compile(r"(?:^|[-._/])(?:mmproj|imatrix)(?:[-._]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelName:
    """A file name taken apart. `stem` is equal for all parts of one model; `part` counts from 1 to `parts`."""

    stem: str
    label: str
    part: int = 1
    parts: int = 1

    @property
    def title(self) -> str:
        """The model's name without its quantisation."""
        base = self.stem.rpartition("/")[2]
        ends = [found.start() for found in _LABEL.finditer(base) if found.end() == len(base)]
        return base[: ends[-1]] if ends and ends[-1] else base


def read_name(path: PurePath | str) -> ModelName | None:
    """Take a file's name apart; None for what is no model's file: another suffix, a projector, a matrix.

    Of a path its folders count too, for many keep the quantisations of a model in folders named after them.
    """
    text = path.as_posix() if isinstance(path, PurePath) else path
    if not text.lower().endswith(SUFFIX):
        return None
    stem = text[: -len(SUFFIX)]
    split = _SPLIT.search(stem)
    if split:
        stem = stem[: split.start()]
    if _BESIDE.search(stem.rpartition("/")[2]):
        return None
    part, parts = (int(split[1]), int(split[2])) if split else (1, 1)
    return ModelName(stem, _label(stem), part, parts)


def part_name(first: str, part: int) -> str:
    """Return the name of another part, given the name of one."""
    return re.sub(r"-\d{5}(-of-\d{5}\.gguf)$", rf"-{part:05}\1", first, flags=re.IGNORECASE)


def plain_label(text: str) -> str:
    """Return a quantisation's name as it is compared: capitals, and F16 for FP16."""
    return re.sub(r"^FP(?=16|32)", "F", text.strip().upper())


def _label(stem: str) -> str:
    found = _LABEL.findall(stem)
    return plain_label(found[-1]) if found else ""
