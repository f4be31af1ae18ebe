"""The models on this computer: every GGUF file and folder of safetensors below a folder, described by its header."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from backends.errors import ModelBroken, ModelUnsupported, SamovarError
from backends.models.gguf import Header, read_header
from backends.models.names import part_name, read_name
from backends.models.weights import Weights, is_weights, read_weights

_NOT_MODELS = frozenset({"adapter", "mmproj", "imatrix"})
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on disk. `path` is its folder, or its only or first file, `size` the bytes of all of its files.

    With an `error` the model cannot be used, and only `path`, `name` and `size` are sure. `own_code`: program code
    comes along. `quantization` of safetensors is the dtype of the weights.
    """

    path: Path
    name: str
    size: int
    quantization: str = ""
    parameters: int = 0
    window: int = 0
    error: SamovarError | None = None
    format: Literal["gguf", "safetensors"] = "gguf"
    own_code: bool = False


class Library:
    """The models below a folder. Folders that begin with a dot are passed over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def models(self) -> tuple[LocalModel, ...]:
        """Return the models by name, broken ones too; nothing where there is no such folder."""
        found = map(describe, _places(self._folder))
        return tuple(sorted(found, key=lambda model: (model.name.casefold(), model.size, str(model.path))))


def parts_of(path: Path) -> tuple[Path, ...]:
    """Return all files of the model that `path` is a part of, the first one first.

    Raises `ModelBroken` when one of them is not there.
    """
    name = read_name(path)
    if name is None or name.parts == 1:
        return (path,)
    parts = tuple(path.with_name(part_name(path.name, part)) for part in range(1, name.parts + 1))
    for part in parts:
        if not part.is_file():
            raise ModelBroken(model=path.name, reason=f"its part {part.name} is missing")
    return parts


def headers_of(path: Path) -> tuple[Header, ...]:
    """Return the headers of all files of a model, after seeing that every one is whole.

    Raises `ModelNotFound`, `ModelBroken`, and `ModelUnsupported` for an adapter or another file that is no model.
    """
    headers = tuple(_header(part) for part in parts_of(path))
    kind = headers[0].kind
    if kind in _NOT_MODELS:
        raise ModelUnsupported(model=path.name, reason=f"it is no model by itself ({kind})")
    if not any(header.parameters for header in headers):
        raise ModelBroken(model=path.name, reason="it holds no weights")
    return headers


def describe(path: Path) -> LocalModel:
    """Return what is at a path: a GGUF file, or a folder of safetensors."""
    return _folder(path) if path.is_dir() else _file(path)


def _places(folder: Path) -> Iterator[Path]:
    """Yield every GGUF file, of a split model only the first one that is there, and every folder of safetensors.

    Links are followed, but not twice.
    """
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(name == "config.json" for name in names) and is_weights(Path(place)):
            yield Path(place)
        stems: set[str] = set()
        for name in sorted(names):
            read = read_name(name)
            if read is not None and read.stem not in stems:
                if read.parts > 1:
                    stems.add(read.stem)
                yield Path(place) / name


def _file(path: Path) -> LocalModel:
    named = read_name(path)
    title = named.title if named else path.stem
    parts: Sequence[Path] = (path,)
    try:
        parts = parts_of(path)
        headers = headers_of(path)
    except SamovarError as error:
        return LocalModel(path, title, _size(parts), error=error)
    first, parameters = headers[0], sum(header.parameters for header in headers)
    return LocalModel(parts[0], title, _size(parts), first.quantization, parameters, first.window)


def _folder(path: Path) -> LocalModel:
    files = sorted(path.glob("*.safetensors"))
    try:
        states = [(each.stat().st_size, each.stat().st_mtime_ns) for each in (*files, path / "config.json")]
        found = _weights(path, tuple(states))
    except SamovarError as error:
        return LocalModel(path, path.name, _size(files), error=error, format="safetensors")
    except OSError as error:
        broken = ModelBroken(model=path.name, reason=error.strerror or str(error))
        return LocalModel(path, path.name, 0, error=broken, format="safetensors")
    return LocalModel(
        path, path.name, found.size, found.dtype, found.parameters, found.window, None, "safetensors", found.own_code
    )


def _size(parts: Sequence[Path]) -> int:
    return sum(part.stat().st_size for part in parts if part.is_file())


def _header(path: Path) -> Header:
    try:
        state = path.stat()
    except OSError:
        return read_header(path)  # which says what is the matter
    return _remembered(path, state.st_size, state.st_mtime_ns)


@lru_cache(_REMEMBERED)
def _weights(path: Path, _states: tuple[tuple[int, int], ...]) -> Weights:
    return read_weights(path)


@lru_cache(_REMEMBERED)
def _remembered(path: Path, _size: int, _changed: int) -> Header:
    """Read a header once for each state of its file: pages ask for the list again and again."""
    return read_header(path)
