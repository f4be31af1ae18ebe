"""A model file in memory: loaded, described, freed."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as native

from backends.errors import EngineClosed, ModelBroken, ModelNotFound, ModelUnsupported, OutOfMemory, SamovarError
from backends.llamacpp.logs import logs
from backends.llamacpp.options import LlamaCppOptions

_MAGIC = b"GGUF"
_UNSUPPORTED = ("unknown model architecture", "unknown pre-tokenizer", "unsupported model", "not supported")
_MEMORY = ("failed to allocate", "unable to allocate", "out of memory", "cudaMalloc failed", "failed to map")


class Model:
    """The weights of one file. Raises `ModelNotFound`, `ModelBroken`, `ModelUnsupported`, `OutOfMemory`.

    Raises `EngineClosed` when the progress callback stops the loading.
    """

    def __init__(self, path: Path, options: LlamaCppOptions) -> None:
        self.path = path
        _check_magic(path)
        logs().clear()
        native.llama_backend_init()
        stopped: list[bool] = []
        callback = _progress(options, stopped)
        params = native.llama_model_default_params()
        params.n_gpu_layers = options.gpu_layers
        params.progress_callback = callback
        # In a thread that ends: the OpenMP threads that were needed to lay the weights out end with it. With more of
        # them than cores, none would wait for the others by spinning any more, and every step take many times as long.
        with ThreadPoolExecutor(1, "llamacpp-loading") as loading:
            pointer = loading.submit(native.llama_model_load_from_file, os.fsencode(path), params).result()
        if not pointer:
            raise EngineClosed if stopped else failure(path)
        self._pointer: native.llama_model_p | None = pointer
        self._users = 0
        self._condition = threading.Condition()
        if native.llama_model_has_encoder(pointer) or not native.llama_model_has_decoder(pointer):
            self.close()
            raise ModelUnsupported(model=path.name, reason="it does not write text")

    @property
    def handle(self) -> native.llama_model_p:
        """The library's model. Raises `EngineClosed` after `close`."""
        if self._pointer is None:
            raise EngineClosed
        return self._pointer

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the model in memory for the length of a block, from any thread. Raises `EngineClosed`."""
        with self._condition:
            if self._pointer is None:
                raise EngineClosed
            self._users += 1
        try:
            yield
        finally:
            with self._condition:
                self._users -= 1
                self._condition.notify_all()

    def metadata(self, key: str) -> str:
        """Return a value of the file's header, "" when there is none."""
        size = 1024
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = native.llama_model_meta_val_str(self.handle, key.encode(), buffer, size)
            if length < 0:
                return ""
            if length < size:
                return buffer.value.decode("utf-8", "replace")
            size = length + 1

    @property
    def trained_window(self) -> int:
        """The tokens of the window it was trained for."""
        return int(native.llama_model_n_ctx_train(self.handle))

    @property
    def chat_template(self) -> str | None:
        """The Jinja source of its own chat template."""
        return self.metadata("tokenizer.chat_template") or None

    @property
    def cuttable(self) -> bool:
        """Whether a sequence's memory can be cut at any token; a recurrent state only knows its end."""
        return not (native.llama_model_is_recurrent(self.handle) or native.llama_model_is_hybrid(self.handle))

    def close(self) -> None:
        """Give the memory back once nobody uses it. Idempotent."""
        with self._condition:
            pointer, self._pointer = self._pointer, None
            while self._users:
                self._condition.wait()
        if pointer is not None:
            native.llama_model_free(pointer)


def failure(path: Path) -> SamovarError:
    """Return the error that fits what llama.cpp logged last."""
    reason = logs().reason
    said = " ".join(logs().lines).lower()
    if any(text in said for text in _MEMORY):
        return OutOfMemory(model=path.name, reason=reason)
    if any(text in said for text in _UNSUPPORTED):
        return ModelUnsupported(model=path.name, reason=reason)
    return ModelBroken(model=path.name, reason=reason)


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise ModelNotFound(model=str(path)) from None
    except OSError as error:
        raise ModelBroken(model=path.name, reason=error.strerror or str(error)) from error
    if magic != _MAGIC:
        raise ModelBroken(model=path.name, reason="it is not a GGUF file")


def _progress(options: LlamaCppOptions, stopped: list[bool]) -> Any:
    def take(done: float, _data: int | None) -> bool:
        if options.progress is not None and not options.progress(done):
            stopped.append(True)
        return not stopped

    return native.llama_progress_callback(take)
