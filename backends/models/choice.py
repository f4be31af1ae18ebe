"""Which of a repository's files are the model that is wanted: one quantisation, with all its parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backends.errors import InvalidParameter
from backends.models.names import ModelName, plain_label, read_name

PREFERRED = (
    "Q4_K_M", "Q4_K_S", "Q4_K_L", "Q4_K_XL", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_1", "MXFP4", "MXFP4_MOE", "Q5_K_M",
    "Q5_K_S", "Q5_K_L", "Q5_K_XL", "Q5_0", "Q5_1", "Q6_K", "Q6_K_L", "Q6_K_XL", "Q3_K_L", "Q3_K_XL", "Q3_K_M", "IQ3_M",
    "Q8_0", "Q3_K_S", "IQ3_S", "IQ3_XS", "IQ3_XXS", "Q2_K_L", "Q2_K_XL", "Q2_K", "IQ2_M", "F16", "BF16", "F32",
)  # fmt: skip
"""What is taken unasked, the best first: about four bits a weight keep most of a model's wit at a quarter of its size,
and its neighbours come before what is much larger or much worse."""
_OWN_MIX = "UD-"


def choose(model: str, names: Sequence[str], quantization: str = "") -> tuple[str, ...]:
    """Return the files of one model among the `names` of a repository, in order; nothing where there is none.

    `quantization` is a label such as Q4_K_M or the name of a file; "" takes what is preferred. Split models that
    lack a part are passed over. Raises `InvalidParameter`, naming what there is, where the wanted one is absent or
    several files answer to it.
    """
    groups = _groups(names)
    if not groups:
        return ()
    if quantization:
        found = [name for name, files in groups.items() if _answers(name, files, quantization)]
    else:
        best = min(map(_rank, groups))
        found = [name for name in groups if _rank(name) == best]
    if len(found) == 1:
        return groups[found[0]]
    wanted = quantization or f"{model} ({found[0].label or '?'})"
    raise InvalidParameter(name="quantization", value=wanted, allowed=_offer(groups, found))


def file_here(model: str, folder: Path, quantization: str = "") -> str:
    """Return the first file of the model in the folder of its repository, "" where it was not downloaded yet."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    try:
        return next(iter(choose(model, names, quantization)), "")
    except InvalidParameter:
        return ""  # here are others; the hub may have it


def _groups(names: Sequence[str]) -> dict[ModelName, tuple[str, ...]]:
    """Return the whole models among the files: the name of the first part -> all parts."""
    parts: dict[tuple[str, int], dict[int, tuple[ModelName, str]]] = {}
    for each in names:
        if (name := read_name(each)) is not None:
            parts.setdefault((name.stem, name.parts), {})[name.part] = name, each
    return {
        found[1][0]: tuple(found[part][1] for part in range(1, count + 1))
        for (_, count), found in sorted(parts.items())
        if set(found) == set(range(1, count + 1))
    }


def _answers(name: ModelName, files: Sequence[str], wanted: str) -> bool:
    label = plain_label(wanted)
    if name.label in (label, _OWN_MIX + label):
        return True
    return any(wanted.casefold() in (each.casefold(), each.casefold().rpartition("/")[2]) for each in files)


def _rank(name: ModelName) -> int:
    label = name.label.removeprefix(_OWN_MIX)
    return PREFERRED.index(label) if label in PREFERRED else len(PREFERRED)


def _offer(groups: dict[ModelName, tuple[str, ...]], found: Sequence[ModelName]) -> str:
    """Return what can be asked for: labels, or file names where labels do not tell the files apart."""
    labels = [name.label for name in groups]
    if not found and all(labels) and len(set(labels)) == len(labels):
        return ", ".join(sorted(labels))
    return ", ".join(groups[name][0] for name in (found or groups))
