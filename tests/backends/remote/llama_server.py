"""llama.cpp's own HTTP server in a process of its own, which a test may kill."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAM = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[4])
params.n_ctx, params.n_parallel = int(sys.argv[2]) * int(sys.argv[3]), int(sys.argv[3])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # more would spin on a busy machine
params.n_gpu_layers, params.endpoint_props, params.api_keys = 0, True, sys.argv[5:]
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


class LlamaServer:
    """A running server: `window` tokens for each of `parallel` replies; it wants `key` if there is one."""

    def __init__(self, model: Path, window: int, parallel: int = 1, port: int = 0, key: str = "") -> None:
        pytest.importorskip("xllamacpp")
        command = [sys.executable, "-c", _PROGRAM, str(model), str(window), str(parallel), str(port)]
        self._process = subprocess.Popen(
            [*command, key] if key else command,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = next(line.strip() for line in self._process.stdout if line.startswith("http"))

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def serving(model: Path, window: int, parallel: int = 1, port: int = 0, key: str = "") -> Iterator[LlamaServer]:
    server = LlamaServer(model, window, parallel, port, key)
    try:
        yield server
    finally:
        server.kill()
