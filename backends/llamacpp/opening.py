"""How the registry opens a model with llama.cpp."""

from __future__ import annotations

from backends.errors import EngineClosed
from backends.llamacpp.backend import LlamaCppBackend
from backends.llamacpp.options import LlamaCppOptions
from backends.models.library import headers_of
from backends.models.locate import locate
from backends.registry import BackendOptions


def open_reference(reference: str, options: BackendOptions) -> LlamaCppBackend:
    """Find or fetch the model's file, see that it is whole, and load it (see `backends.registry.open_backend`)."""
    wanted = LlamaCppOptions(
        ctx=options.ctx,
        threads=options.threads,
        gpu_layers=options.gpu_layers,
        parallel=options.parallel,
        template=options.template,
        park_mb=options.park_mb,
        warm_mb=options.warm_mb,
        warm=options.warm,
        shift=options.shift,
        draft=options.draft,
        exact=options.exact,
        progress=lambda share: options.progress("loading", share),
    )
    path = locate(reference, options.models, lambda share: options.progress("downloading", share))
    headers_of(path)
    if not options.progress("loading", 0.0):
        raise EngineClosed
    return LlamaCppBackend(path, wanted)
