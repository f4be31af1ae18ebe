"""The header of a GGUF file, read without the engine: what the model is, and whether the file is whole.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian. Nothing that the
header claims is believed before the bytes are there, so a broken file costs neither memory nor time.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backends.errors import ModelBroken, ModelNotFound, ModelUnsupported, SamovarError
from backends.models.names import read_name
from backends.models.tensor_types import FILE_TYPES, TENSOR_TYPES

Value = int | float | bool | str

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_LARGEST_HEADER = 1 << 27
_MOST_KEYS, _MOST_TENSORS = 1 << 16, 1 << 17
_MOST_DIMENSIONS = 4
_FIRST_READ, _NEXT_READ = 1 << 16, 1 << 22
_TEXT, _ARRAY = 8, 9
_SCALARS: Mapping[int, struct.Struct] = {
    number: struct.Struct("<" + code)
    for number, code in ((0, "B"), (1, "b"), (2, "H"), (3, "h"), (4, "I"), (5, "i"), (6, "f"), (7, "?"), (10, "Q"),
                         (11, "q"), (12, "d"))
}  # fmt: skip
_U32, _U64 = _SCALARS[4], _SCALARS[10]


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself. Texts are "" and numbers 0 where it says nothing.

    `kind` is what the file holds ("model", "adapter", "mmproj" …), `window` the tokens it was trained for, `size`
    the bytes that the whole file must have. `metadata` has the single values; lists (the vocabulary) are left out.
    """

    version: int
    kind: str
    architecture: str
    name: str
    quantization: str
    parameters: int
    window: int
    layers: int
    has_template: bool
    size: int
    metadata: Mapping[str, Value]


def read_header(path: Path) -> Header:
    """Read a file's header and check that the file is as long as it must be.

    Raises `ModelNotFound`, `ModelBroken`, and `ModelUnsupported` for a version that is not known.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = _Reader(path, file, size).header()
    except FileNotFoundError:
        raise ModelNotFound(model=str(path)) from None
    except OSError as error:
        raise ModelBroken(model=path.name, reason=error.strerror or str(error)) from error
    if header.size > size:
        reason = f"it is cut short: {header.size - size} of its {header.size} bytes are missing"
        raise ModelBroken(model=path.name, reason=reason)
    return header


class _Reader:
    """Walks through a header; `data` is what of the file was read so far, `at` the place in it."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file, self._size = path, file, size
        self._data = bytearray(file.read(_FIRST_READ))
        self._at = 0

    def header(self) -> Header:
        version, tensors, keys = self._start()
        if keys > _MOST_KEYS or tensors > _MOST_TENSORS:
            raise self._unsound()
        metadata: dict[str, Value] = {}
        for _ in range(keys):
            key = self._text()
            value = self._value(self._number(_U32))
            if value is not None:
                metadata[key] = value
        types, weights, end = self._tensors(tensors)
        alignment = _whole(metadata, "general.alignment") or 32
        if alignment > _LARGEST_HEADER or alignment & (alignment - 1):
            raise self._unsound()
        start = -(-self._at // alignment) * alignment
        return _header(self._path, version, metadata, types, weights, start + end if tensors else self._at)

    def _start(self) -> tuple[int, int, int]:
        """Return the version and the counts of tensors and keys."""
        if self._data[:4] != _MAGIC:
            raise ModelBroken(model=self._path.name, reason=_not_gguf(bytes(self._data[:64])))
        self._at = 4
        version = self._number(_U32)
        if version not in _VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
            reason = "it is made for big-endian machines" if swapped else f"GGUF version {version} is not known"
            raise ModelUnsupported(model=self._path.name, reason=reason)
        return version, self._number(_U64), self._number(_U64)

    def _tensors(self, number: int) -> tuple[Counter[int], int, int]:
        """Return the weights by type, their sum, and the end of the last tensor after the start of the data."""
        types: Counter[int] = Counter()
        weights = end = 0
        for _ in range(number):
            self._skip(self._number(_U64))
            dimensions = self._number(_U32)
            if dimensions > _MOST_DIMENSIONS:
                raise self._unsound()
            count = 1
            for _ in range(dimensions):
                count *= self._number(_U64)
            kind, offset = self._number(_U32), self._number(_U64)
            types[kind] += count
            weights += count
            if kind in TENSOR_TYPES:
                end = max(end, offset + TENSOR_TYPES[kind].bytes_of(count))
        return types, weights, end

    def _value(self, kind: int) -> Value | None:
        if kind == _TEXT:
            return self._text()
        if kind == _ARRAY:
            self._skip_array()
            return None
        if kind not in _SCALARS:
            raise self._unsound()
        number: Value = self._number(_SCALARS[kind])
        return number

    def _skip_array(self) -> None:
        kind, count = self._number(_U32), self._number(_U64)
        if kind == _TEXT:
            self._skip_texts(count)
        elif kind in _SCALARS:
            self._skip(count * _SCALARS[kind].size)
        else:
            raise self._unsound()

    def _skip_texts(self, count: int) -> None:
        """Pass over a list of texts: a vocabulary has some hundred thousand, so this loop is kept bare."""
        self._need(8 * count)
        data, at, filled, read = self._data, self._at, len(self._data), _U64.unpack_from
        for _ in range(count):
            if at + 8 > filled:
                self._fill(at + 8)
                filled = len(data)
            at += 8 + read(data, at)[0]
        self._fill(at)
        self._at = at

    def _text(self) -> str:
        size = self._number(_U64)
        start = self._at
        self._skip(size)
        return self._data[start : self._at].decode("utf-8", "replace")

    def _number(self, form: struct.Struct) -> int:
        """Return the next scalar; the reader of a value knows its type, all others ask for whole numbers."""
        start = self._at
        self._skip(form.size)
        number: int = form.unpack_from(self._data, start)[0]
        return number

    def _skip(self, size: int) -> None:
        end = self._at + size
        if end > len(self._data):
            self._fill(end)
        self._at = end

    def _need(self, size: int) -> None:
        """Refuse a header that claims more than there can be; nothing is read."""
        end = self._at + size
        if end > _LARGEST_HEADER:
            raise self._unsound()
        if end > self._size:
            reason = f"it is cut short: it ends within its header, after {self._size} bytes"
            raise ModelBroken(model=self._path.name, reason=reason)

    def _fill(self, end: int) -> None:
        """Read on, at least up to `end`."""
        if end > len(self._data):
            self._need(end - self._at)
            self._data += self._file.read(max(_NEXT_READ, end - len(self._data)))
            if end > len(self._data):
                raise ModelBroken(model=self._path.name, reason="it changed while it was read")

    def _unsound(self) -> SamovarError:
        return ModelBroken(model=self._path.name, reason="its header is damaged")


def _header(
    path: Path, version: int, metadata: Mapping[str, Value], types: Counter[int], weights: int, size: int
) -> Header:
    architecture = str(metadata.get("general.architecture", ""))
    guessed = "adapter" if "adapter.type" in metadata else "mmproj" if architecture == "clip" else "model"
    most = max(types, key=lambda kind: types[kind], default=-1)
    by_tensors = TENSOR_TYPES[most].name if most in TENSOR_TYPES else ""
    named = read_name(path.name)
    return Header(
        version=version,
        kind=str(metadata.get("general.type", guessed)),
        architecture=architecture,
        name=str(metadata.get("general.name", "")),
        quantization=FILE_TYPES.get(_whole(metadata, "general.file_type", -1), "")
        or (named.label if named else "")
        or by_tensors,
        parameters=weights,
        window=_whole(metadata, f"{architecture}.context_length"),
        layers=_whole(metadata, f"{architecture}.block_count"),
        has_template=bool(metadata.get("tokenizer.chat_template")),
        size=size,
        metadata=metadata,
    )


def _whole(metadata: Mapping[str, Value], key: str, otherwise: int = 0) -> int:
    value = metadata.get(key)
    return value if isinstance(value, int) and value >= 0 else otherwise


def _not_gguf(beginning: bytes) -> str:
    if not beginning:
        return "it is empty"
    if beginning.startswith(b"version https://git-lfs"):
        return "it is only a pointer of Git LFS, not the file itself"
    return "it is not a GGUF file"
