"""Our own server as a person starts it, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.bench import Setup

_WAIT = 60


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start the server over a data folder; yield its address, once it answers, and its process."""
    url, process = begin(folder, *flags)
    try:
        wait(url)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def begin(folder: Path, *flags: str) -> tuple[str, subprocess.Popen[bytes]]:
    """Start the server and return its address at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "webui", "--data-dir", str(folder), "--port", str(port), "--no-browser", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    return f"http://127.0.0.1:{port}", process


def wait(url: str) -> None:
    """Wait until the server answers. Raises `TimeoutError`."""
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url + "/health", timeout=_WAIT).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("the server did not start")


def with_model(setup: Setup, window: int, parallel: int = 1) -> tuple[str, ...]:
    """Return the flags for the model that is measured."""
    return (
        "--model", str(setup.model), "--ctx", str(window), "--threads", str(setup.threads), "--gpu-layers", "0",
        "--parallel", str(parallel),
    )  # fmt: skip
