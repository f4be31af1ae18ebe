"""What a model reference names, as far as this computer knows it: nothing is fetched, and no engine is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backends.errors import ModelNotFound, SamovarError
from backends.models.choice import file_here
from backends.models.library import LocalModel, describe
from backends.models.locate import HUB_ID, file_in, looks_like_path, on_disk
from backends.models.weights import is_weights

HUB_WEIGHTS = "safetensors"
"""The folder below that of the models in which safetensors of the hub are kept, apart from GGUF files."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference names: a GGUF file, a folder of safetensors, or a model on the hub; of a hub model what is here.

    A folder may hold both kinds.
    """

    gguf: LocalModel | None = None
    weights: LocalModel | None = None
    hub: str = ""

    @property
    def here(self) -> bool:
        """Whether it need not be fetched."""
        return self.gguf is not None or self.weights is not None


def inspect(reference: str, models: Path) -> Found:
    """Look at what a reference names; `models` is the folder of downloads.

    Raises `ModelNotFound`, `ModelBroken`, `ModelUnsupported`, and `InvalidParameter` where there are several models to
    choose from.
    """
    path = on_disk(reference, models)
    if path is not None:
        return _checked(_at(path))
    hub_id = HUB_ID.fullmatch(reference.strip())
    if hub_id is None or looks_like_path(reference):
        raise ModelNotFound(model=reference)
    return _downloaded(hub_id[1], hub_id[2] or "", models)


def _at(path: Path) -> Found:
    if path.is_file():
        return Found(gguf=describe(path))
    weights = describe(path) if is_weights(path) else None
    try:
        return Found(gguf=describe(file_in(path)), weights=weights)
    except SamovarError:
        if weights is None:
            raise
        return Found(weights=weights)


def _downloaded(repository: str, quantization: str, models: Path) -> Found:
    weights = models.joinpath(HUB_WEIGHTS, *repository.split("/"))
    folder = models.joinpath(*repository.split("/"))
    here = file_here(repository, folder, quantization)
    return Found(
        describe(folder / here) if here else None,
        describe(weights) if not quantization and is_weights(weights) else None,
        repository,
    )


def _checked(found: Found) -> Found:
    """Raise what is the matter with the only model that was found."""
    models = [model for model in (found.gguf, found.weights) if model is not None]
    if len(models) == 1 and models[0].error is not None:
        raise models[0].error
    return found
