"""From a model reference to the file on this computer, downloaded first where it names a model on the hub."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from backends.errors import InvalidParameter, ModelBroken, ModelNotFound, ModelUnsupported
from backends.models.library import Library, parts_of

HUB_ID = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)(?::([^:]+))?")
"""The form of a name on the hub, with a quantisation or a file after a colon."""


def locate(reference: str, models: Path, progress: Callable[[float], bool]) -> Path:
    """Return the only or first file of the model that `reference` names.

    A path comes first, relative to the working folder or, for a bare file name, to `models`; then a hub id, which is
    fetched below `models`; `progress` is told of the download, and answering False gives it up.

    Raises `ModelNotFound`, `ModelBroken`, `DownloadFailed`, `InvalidParameter` where there are several models to
    choose from, and `EngineClosed` when the download is given up.
    """
    found = on_disk(reference, models)
    if found is not None:
        return file_in(found) if found.is_dir() else parts_of(found)[0]
    hub_id = HUB_ID.fullmatch(reference.strip())
    if hub_id is None or looks_like_path(reference):
        raise ModelNotFound(model=reference)
    # Only now: the client takes a while to import.
    from backends.models.hub import Hub

    return Hub(models).fetch(hub_id[1], hub_id[2] or "", progress)


def on_disk(reference: str, models: Path) -> Path | None:
    """Return the existing path that a reference names, or None. Raises `ModelBroken` for one that may not be read."""
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


def file_in(folder: Path) -> Path:
    """Return the one GGUF model in a folder.

    Raises `ModelNotFound`, and `InvalidParameter` where there are several to choose from.
    """
    found = [model for model in Library(folder).models() if model.format == "gguf"]
    usable = [model for model in found if not isinstance(model.error, ModelUnsupported)] or list(found)
    if not usable:
        raise ModelNotFound(model=str(folder))
    if len(usable) > 1:
        choices = ", ".join(str(model.path.relative_to(folder)) for model in usable)
        raise InvalidParameter(name="model", value=str(folder), allowed=choices)
    return usable[0].path


def looks_like_path(reference: str) -> bool:
    """Whether a reference is meant as a path, and so never as a name on the hub."""
    return reference.startswith((".", "/", "~")) or (reference.lower().endswith(".gguf") and ":" not in reference)
