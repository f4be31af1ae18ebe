"""How the registry opens a model with transformers: a folder, a GGUF file, or a hub id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backends.models.locate import locate
from backends.registry import BackendOptions
from backends.transformers.backend import TransformersBackend
from backends.transformers.fetching import fetch
from backends.transformers.options import TransformersOptions


def open_reference(reference: str, options: BackendOptions) -> TransformersBackend:
    """Find or fetch the model and load it (see `backends.registry.open_backend`).

    A hub id takes the repository's safetensors; with a quantisation after a colon, or where there are none, its GGUF
    file.
    """
    wanted = TransformersOptions(
        ctx=options.ctx,
        threads=options.threads,
        device="cpu" if options.device == "auto" and options.gpu_layers == 0 else options.device,
        parallel=options.parallel,
        template=options.template,
        dtype=options.dtype,
        trust_remote_code=options.trust_remote_code,
        progress=lambda share: options.progress("loading", share),
    )
    return TransformersBackend(_find(reference, options), wanted)


def _find(reference: str, options: BackendOptions) -> Path:
    def told(share: float) -> bool:
        return options.progress("downloading", share)

    folder = next((each for each in _folders(reference, options.models) if each.is_dir()), None)
    if folder is not None and not any(folder.rglob("*.gguf")):
        return folder
    if folder is not None and any(folder.glob("*.safetensors")):
        return folder
    if folder is None and (fetched := _fetch(reference, options, told)) is not None:
        return fetched
    return locate(reference, options.models, told)


def _fetch(reference: str, options: BackendOptions, told: Callable[[float], bool]) -> Path | None:
    return fetch(reference, options.models, told, code=options.trust_remote_code)


def _folders(reference: str, models: Path) -> tuple[Path, ...]:
    try:
        path = Path(reference).expanduser()
    except RuntimeError:  # no such person's home
        path = Path(reference)
    return (path, models / reference) if path.name == reference else (path,)
