"""A flag that llama.cpp looks at after every step of its computation."""

from __future__ import annotations

import ctypes
import sys

from llama_cpp import llama_cpp as native


class Interrupt:
    """Ends a running decode from another thread.

    The callback is the C library's `strlen` on a text of length 0 or 1: the computation asks hundreds of times for
    each token, and a Python function would take the interpreter's lock each time.
    """

    def __init__(self) -> None:
        self._flag = ctypes.create_string_buffer(2)
        library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        self._library = library
        self._callback = native.ggml_abort_callback(ctypes.cast(library.strlen, ctypes.c_void_p).value or 0)

    def attach(self, context: native.llama_context_p) -> None:
        """Let a context look at this flag; the flag must outlive the context."""
        native.llama_set_abort_callback(context, self._callback, ctypes.c_void_p(ctypes.addressof(self._flag)))

    def detach(self, context: native.llama_context_p) -> None:
        """Let a context compute to the end, whatever the flag says."""
        native.llama_set_abort_callback(context, native.ggml_abort_callback(), None)

    def set(self) -> None:
        """End the running decode, or the next one."""
        self._flag[0] = b"\1"

    def clear(self) -> None:
        """Let decodes run."""
        self._flag[0] = b"\0"
