"""What went wrong in torch or transformers, as an error of our own tree."""

from __future__ import annotations

import torch

from backends.errors import (
    EngineFailed,
    ModelBroken,
    ModelUnsupported,
    OutOfMemory,
    SamovarError,
)

_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
OWN_CODE = "it brings program code of its own, which is only run if you allow it for this model"
_CODE = ("trust_remote_code", "custom code")
_UNKNOWN = ("does not recognize this architecture", "unrecognized configuration class", "unrecognized model",
            "is not supported", "not supported yet", "unknown architecture")  # fmt: skip


def is_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had, on a GPU or in the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _MEMORY)


def while_loading(model: str, error: Exception) -> SamovarError:
    """Return the error for a model that did not load."""
    said, reason = str(error).lower(), first_line(error)
    if isinstance(error, SamovarError):
        return error
    if is_memory(error):
        return OutOfMemory(model=model, reason=reason)
    if any(text in said for text in _CODE):
        return ModelUnsupported(model=model, reason=OWN_CODE)
    if isinstance(error, ImportError):
        return ModelUnsupported(model=model, reason=reason)
    if any(text in said for text in _UNKNOWN):
        return ModelUnsupported(model=model, reason=reason)
    return ModelBroken(model=model, reason=reason)


def while_running(model: str, error: Exception) -> SamovarError:
    """Return the error for a request that failed."""
    if isinstance(error, SamovarError):
        return error
    if is_memory(error):
        return OutOfMemory(model=model, reason=first_line(error))
    return EngineFailed(reason=f"{type(error).__name__}: {first_line(error)}")


def first_line(error: BaseException) -> str:
    """Return the beginning of what an error says; the libraries write whole pages."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line if len(line) <= 300 else line[:300] + "…"
