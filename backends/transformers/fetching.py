"""A model's safetensors from the Hugging Face hub: which files of a repository are the model, and fetching them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from huggingface_hub import HfApi

from backends.errors import ModelUnsupported
from backends.models.hub import Hub
from backends.models.inspection import HUB_WEIGHTS
from backends.models.library import describe
from backends.models.transfer import Item

_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_SETTINGS = re.compile(r"[^/]+\.(?:json|jinja|model|txt)")
_CODE = re.compile(r"[^/]+\.py")
_WEIGHTS = re.compile(r"model(?:-\d{5}-of-\d{5})?\.safetensors")
_PART = re.compile(r"-of-(\d{5})\.safetensors$")


def choose_files(names: Sequence[str], code: bool = False) -> tuple[str, ...]:
    """Return the files of a repository that make the model, settings first; nothing where it has no safetensors.

    No pickled weights are among them, and program code only if `code` asks for it.
    """
    weights = sorted(name for name in names if _WEIGHTS.fullmatch(name))
    if not weights:
        return ()
    settings = (name for name in names if _SETTINGS.fullmatch(name) or (code and _CODE.fullmatch(name)))
    return (*sorted(settings), *weights)


class NoSafetensors(ModelUnsupported):
    """The repository has no safetensors; it may have a GGUF file."""


class WeightsHub(Hub):
    """The hub, of whose repositories the safetensors are taken, into a folder of their own below `models`."""

    def __init__(self, models: Path, endpoint: str | None = None, code: bool = False) -> None:
        super().__init__(models / HUB_WEIGHTS, endpoint)
        self._code = code

    def _items(self, repository: str, folder: Path, quantization: str) -> tuple[Item, ...]:  # noqa: ARG002
        info = HfApi(self._endpoint, library_name="samovar").model_info(repository, files_metadata=True, timeout=20)
        files = {file.rfilename: file for file in info.siblings or ()}
        chosen = choose_files(tuple(files), self._code)
        if not chosen:
            raise NoSafetensors(model=repository, reason="it has no safetensors")
        return tuple(self._item(repository, folder, info.sha, files[name]) for name in chosen)


def fetch(
    reference: str,
    models: Path,
    progress: Callable[[float], bool],
    endpoint: str | None = None,
    code: bool = False,
) -> Path | None:
    """Return the folder of the model that a hub id names, downloaded unless it is here; with its `code` if asked for.

    None where the reference is no bare hub id, or the repository has no safetensors. Raises `ModelNotFound`,
    `DownloadFailed`, and `EngineClosed` when `progress` answers False; the next attempt goes on from there.
    """
    repository = reference.strip()
    if not _HUB_ID.fullmatch(repository) or repository.lower().endswith(".gguf") or repository.startswith("."):
        return None
    folder = models.joinpath(HUB_WEIGHTS, *repository.split("/"))
    if is_whole(folder) and (not code or not describe(folder).own_code or any(folder.glob("*.py"))):
        return folder
    try:
        WeightsHub(models, endpoint, code).fetch(repository, "", progress)
    except NoSafetensors:
        return None
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a folder has settings and every file of the weights, by their own numbers."""
    names = [path.name for path in folder.glob("*.safetensors")]
    if not names or not (folder / "config.json").is_file():
        return False
    parts = [found for name in names if (found := _PART.search(name))]
    return all(len(parts) == int(found[1]) for found in parts)
