"""A model that brings program code: refused until the person allows it for that model, then run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from huggingface_hub import close_session

from backends.errors import ModelUnsupported
from backends.models import transfer
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.transformers.fetching import choose_files
from backends.values import ChatPrompt, Done, Message, Request
from tests.backends.models.fake_hub import FakeHub
from tests.backends.transformers.test_families import saved

HELLO = Request(ChatPrompt((Message("user", "hello world"),)), SamplingParams(max_tokens=3, seed=1))
CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "their-own"

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig

Path({sign!r}).touch()
"""
NAMES = {"AutoConfig": "own_code.OwnConfig", "AutoModelForCausalLM": "own_code.OwnModel"}


@pytest.fixture
def sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the code leaves when it runs."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    return tmp_path / "it ran"


def own(folder: Path, sign: Path) -> Path:
    """Save a model whose code leaves a sign."""
    saved("llama", folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "their-own", "auto_map": NAMES}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own_code.py").write_text(CODE.format(sign=str(sign)))
    return folder


def options(models: Path, trust: bool) -> BackendOptions:
    return BackendOptions(
        backend="transformers", models=models, gpu_layers=0, parallel=1, trust_remote_code=trust, ctx=128
    )


def test_it_runs_only_if_allowed(tmp_path: Path, sign: Path) -> None:
    folder = own(tmp_path / "own", sign)
    with pytest.raises(ModelUnsupported, match="only run if you allow it"):
        open_backend(str(folder), options(tmp_path, trust=False))
    assert not sign.exists()
    backend = open_backend(str(folder), options(tmp_path, trust=True))
    assert isinstance(list(backend.start(HELLO))[-1], Done)
    assert backend.info.architecture == "their-own"
    backend.close()
    assert sign.exists()


@pytest.fixture
def hub(tmp_path: Path, sign: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    source = own(tmp_path / "source", sign)
    server = FakeHub({"user/own": {path.name: path.read_bytes() for path in source.iterdir()}})
    monkeypatch.setattr(transfer, "WAITS", (0.0,) * 3)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    close_session()
    server.close()


def test_the_hub_s_code_is_fetched_only_if_allowed(hub: FakeHub, tmp_path: Path, sign: Path) -> None:
    with pytest.raises(ModelUnsupported, match="only run if you allow it"):
        open_backend("user/own", options(tmp_path / "models", trust=False))
    assert "own_code.py" not in [name for name, _ in hub.files_asked]
    open_backend("user/own", options(tmp_path / "models", trust=True)).close()
    assert "own_code.py" in [name for name, _ in hub.files_asked] and sign.exists()
    asked = len(hub.files_asked)
    open_backend("user/own", options(tmp_path / "models", trust=True)).close()
    assert len(hub.files_asked) == asked


def test_which_code_comes_along() -> None:
    names = ["config.json", "model.safetensors", "modeling.py", "tools/setup.py", "model.bin"]
    assert "modeling.py" not in choose_files(names)
    assert choose_files(names, code=True) == ("config.json", "modeling.py", "model.safetensors")
