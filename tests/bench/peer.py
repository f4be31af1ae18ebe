"""llama.cpp's own server, as the xllamacpp wheel brings it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench import Setup

_PROGRAM = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.port = int(sys.argv[2]), int(sys.argv[4]), 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[3])
params.n_gpu_layers, params.warmup = 0, True
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def serving(setup: Setup, window: int, parallel: int = 1) -> Iterator[str]:
    """Start the server and yield its address; it ends with the block."""
    command = [sys.executable, "-c", _PROGRAM, str(setup.model), str(window), str(setup.threads), str(parallel)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if line.startswith("http"))
        finally:
            process.stdin.close()
            process.terminate()
