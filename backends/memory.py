"""Giving memory back to the system, once a model is closed."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Return what the allocator keeps for later; a large model leaves it hundreds of megabytes of small pieces.

    Only glibc keeps so much, and only it is asked.
    """
    gc.collect()
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return  # another C library, such as musl
