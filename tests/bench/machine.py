"""Where a measurement was made: without that its figures say little."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("llama-cpp-python", "xllamacpp", "gradio", "numpy", "fastapi", "uvicorn")


def machine() -> dict[str, Any]:
    """Return the processor, its cores, the memory and the system."""
    return {
        "processor": next(_processor(), platform.processor() or platform.machine()),
        "cores": psutil.cpu_count(logical=False),
        "threads": os.cpu_count(),
        "load": round(psutil.getloadavg()[0], 2),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of what is measured."""
    return {"python": platform.python_version(), **dict(_packages())}


def _processor() -> Iterator[str]:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                yield line.partition(":")[2].strip()


def _packages() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
