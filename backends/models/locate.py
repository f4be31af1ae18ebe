"""From a model reference to the file on this computer, downloaded first where it names a model on the hub."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from backends.errors import InvalidParameter, ModelBroken, ModelNotFound, ModelUnsupported
from backends.models.library import Library, parts_of

_HUB_ID = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)(?::([^:]+))?")


def locate(reference: str, models: Path, progress: Callable[[float], bool]) -> Path:
    """Return the only or first file of the model that `reference` names.

    A path comes first, relative to the working folder or, for a bare file name, to `models`; then a hub id, which is
    fetched below `models`; `progress` is told of the download, and answering False gives it up.

    Raises `ModelNotFound`, `ModelBroken`, `DownloadFailed`, `InvalidParameter` where there are several models to
    choose from, and `EngineClosed` when the download is given up.
    """
    found = _on_disk(reference, models)
    if found is not None:
        return _in_folder(found) if found.is_dir() else parts_of(found)[0]
    hub_id = _HUB_ID.fullmatch(reference.strip())
    if hub_id is None or _looks_like_path(reference):
        raise ModelNotFound(model=reference)
    # Only now: the client takes a while to import.
    from backends.models.hub import Hub

    return Hub(models).fetch(hub_id[1], hub_id[2] or "", progress)


def _on_disk(reference: str, models: Path) -> Path | None:
    """Return the existing path that a reference names, or None."""
    try:
        path = Path(reference).expanduser()
    except RuntimeError:  # no such person's home
        path = Path(reference)
    candidates = (path,) if path.name != reference else (path, models / reference)
    try:
        return next((each for each in candidates if each.exists()), None)
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise ModelBroken(model=reference, reason=error.strerror or str(error)) from error
        return None  # too long, or with a character that no name can hold


def _in_folder(folder: Path) -> Path:
    """Return the one model in a folder."""
    found = Library(folder).models()
    usable = [model for model in found if not isinstance(model.error, ModelUnsupported)] or list(found)
    if not usable:
        raise ModelNotFound(model=str(folder))
    if len(usable) > 1:
        choices = ", ".join(str(model.path.relative_to(folder)) for model in usable)
        raise InvalidParameter(name="model", value=str(folder), allowed=choices)
    return usable[0].path


def _looks_like_path(reference: str) -> bool:
    return reference.startswith((".", "/", "~")) or (reference.lower().endswith(".gguf") and ":" not in reference)
