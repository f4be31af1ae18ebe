"""Models on the Hugging Face hub: which file to take, and fetching it below the folder of models.

The hub's own client talks to the hub, so its variables hold: HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE. The bytes come by
plain HTTP, which every mirror speaks, in our own loop: the client's downloads begin anew after a cancel.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi, get_session, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

from backends.errors import DownloadFailed, EngineClosed, ModelNotFound, ModelUnsupported, SamovarError
from backends.models.choice import choose, file_here
from backends.models.transfer import Item, transfer

_AGENT = "samovar"
_TIMEOUT = 20.0
_SPARE = 1 << 28
"""Bytes that a download leaves free on the disk."""


class Hub:
    """Fetches models below `models`, each in the folder `user/repo`. `endpoint` defaults to HF_ENDPOINT or the hub."""

    def __init__(self, models: Path, endpoint: str | None = None) -> None:
        self._models = models
        self._endpoint = endpoint or os.environ.get("HF_ENDPOINT") or None

    def fetch(self, repository: str, quantization: str, progress: Callable[[float], bool]) -> Path:
        """Return the only or first file of a model, downloaded unless it is here; then no network is needed.

        `quantization` and `InvalidParameter`: see `choose`. `progress` gets the share from 0 to 1; answering False
        raises `EngineClosed`, and the next attempt goes on from there. Raises `ModelNotFound`, `ModelUnsupported`
        for a repository without GGUF files, and `DownloadFailed`.
        """
        folder = self._models.joinpath(*repository.split("/"))
        if here := file_here(repository, folder, quantization):
            return folder / here
        _tell(progress, 0.0)
        try:
            items = self._items(repository, folder, quantization)
            _check_room(repository, folder, items)
            self._transfer(items, progress)
        except SamovarError:
            raise
        except Exception as error:
            raise _explain(repository, error) from error
        return items[0].path

    def _items(self, repository: str, folder: Path, quantization: str) -> tuple[Item, ...]:
        """Ask the hub for the repository's files and return those to fetch."""
        info = HfApi(self._endpoint, library_name=_AGENT).model_info(repository, files_metadata=True, timeout=_TIMEOUT)
        files = {file.rfilename: file for file in info.siblings or () if _is_safe(file.rfilename)}
        chosen = choose(repository, tuple(files), quantization)
        if not chosen:
            raise ModelUnsupported(model=repository, reason="it has no GGUF file")
        return tuple(self._item(repository, folder, info.sha, files[name]) for name in chosen)

    def _item(self, repository: str, folder: Path, revision: str | None, file: Any) -> Item:
        if file.size is None:
            raise DownloadFailed(model=repository, reason=f"the hub does not tell the size of {file.rfilename}")
        url = hf_hub_url(repository, file.rfilename, revision=revision, endpoint=self._endpoint)
        path = folder.joinpath(*PurePosixPath(file.rfilename).parts)
        return Item(file.rfilename, url, path, file.size, file.lfs.sha256 if file.lfs else "")

    def _transfer(self, items: tuple[Item, ...], progress: Callable[[float], bool]) -> None:
        total = max(1, sum(item.size for item in items))
        for at, item in enumerate(items):
            before = sum(item.size for item in items[:at])
            if not item.path.is_file():
                transfer(item, _get, partial(_tell_part, progress, before, total))
            _tell(progress, (before + item.size) / total)


@contextmanager
def _get(url: str, headers: Mapping[str, str]) -> Iterator[Any]:
    sent = {**build_hf_headers(library_name=_AGENT), **headers}
    with get_session().stream("GET", url, headers=sent, timeout=_TIMEOUT) as response:
        hf_raise_for_status(response)
        yield response


def _tell(progress: Callable[[float], bool], share: float) -> None:
    if not progress(min(1.0, share)):
        raise EngineClosed


def _tell_part(progress: Callable[[float], bool], before: int, total: int, size: int) -> None:
    _tell(progress, (before + size) / total)


def _is_safe(name: str) -> bool:
    """Whether a file's name keeps within the folder of its repository, on every system."""
    return not any(part in ("", ".", "..") for part in name.split("/")) and not {"\\", ":", "\0"} & set(name)


def _check_room(repository: str, folder: Path, items: tuple[Item, ...]) -> None:
    needed = sum(max(0, item.size - item.held) for item in items)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed and needed + _SPARE > free:
        reason = f"it needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on the disk"
        raise DownloadFailed(model=repository, reason=reason)


def _explain(repository: str, error: Exception) -> SamovarError:
    """Return the error of our own that says what went wrong."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    match error:
        case GatedRepoError():
            reason = "its terms must be accepted first, on its page on the hub; then set HF_TOKEN"
        case DisabledRepoError():
            reason = "the hub has disabled it"
        case RepositoryNotFoundError() if status == 401:
            reason = "the hub has no such model, or it is private; then set HF_TOKEN"
        case RepositoryNotFoundError() | RevisionNotFoundError() | HFValidationError():
            return ModelNotFound(model=repository)
        case HfHubHTTPError() if status == 404:
            return ModelNotFound(model=repository)
        case HfHubHTTPError() if status in (401, 403):
            reason = "the hub refuses it; HF_TOKEN may be wrong or lack the right"
        case HfHubHTTPError() if status == 429:
            reason = "the hub asks to wait: too many requests"
        case HfHubHTTPError():
            reason = f"the hub answered with error {status}"
        case OfflineModeIsEnabled():
            reason = "HF_HUB_OFFLINE forbids the network"
        case OSError():
            reason = error.strerror or str(error)
        case _:
            reason = "the hub could not be reached"
    return DownloadFailed(model=repository, reason=reason)
