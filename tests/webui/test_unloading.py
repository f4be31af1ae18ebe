"""Memory that is given back: a process is as large after unloading as it was before loading, nearly."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.style.source import ROOT

pytestmark = pytest.mark.model

_PROGRAM = """
import gc, json, sys, threading, psutil
from functools import partial
from pathlib import Path
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Message, Request
from webui.choice import ModelChoice
from webui.loader import Loader
from webui.services import _open
from webui.settings import Settings

def size():
    return psutil.Process().memory_info().rss / 2**20

model, engine, folder = sys.argv[1:]
settings = Settings(data_dir=Path(folder), threads=1, ctx=2048, gpu_layers=0)
loader = Loader(partial(_open, settings))
request = Request(ChatPrompt((Message("user", "Tell me about tea."),)), SamplingParams(max_tokens=4, temperature=0.0))
sizes = []
for _ in range(3):
    loader.switch(ModelChoice(model, backend=engine))
    backend = loader.wait(threading.Event())
    list(backend.start(request))
    sizes.append(size())
    del backend
    loader.unload()
    sizes.append(size())
print(json.dumps(sizes))
"""


def sizes(model: Path, engine: str, folder: Path) -> list[float]:
    """Return the megabytes that a process holds, loaded and unloaded in turn."""
    command = [sys.executable, "-c", _PROGRAM, str(model), engine, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("engine", "weights"), [("llamacpp", 90), ("transformers", 500)])
def test_unloading_gives_the_memory_back(starter_model: Path, tmp_path: Path, engine: str, weights: int) -> None:
    if importlib.util.find_spec("llama_cpp" if engine == "llamacpp" else "torch") is None:
        pytest.skip("the engine is not installed")
    first, after_first, _, after_second, third, after_third = sizes(starter_model, engine, tmp_path)
    assert first - after_first > 0.8 * weights, "most of what was loaded is gone"
    assert third - after_third > 0.8 * weights
    # The libraries stay; so what an earlier round leaves is what the next one is measured by.
    assert after_third - after_second < 0.2 * weights, "and it does not grow from round to round"
