"""From a reference to a model: folders, files, and a hub with safetensors, with GGUF files, with neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from huggingface_hub import close_session

from backends.errors import EngineClosed, ModelNotFound, ModelUnsupported
from backends.models import transfer
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.transformers.fetching import choose_files, fetch, is_whole
from backends.values import ChatPrompt, Done, Message, Request
from tests.backends.models.fake_hub import FakeHub
from tests.backends.models.making import gguf
from tests.backends.transformers.test_families import saved

HELLO = Request(ChatPrompt((Message("user", "hello world"),)), SamplingParams(max_tokens=3, seed=1))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    saved("llama", tmp_path / "source")
    files = {path.name: path.read_bytes() for path in (tmp_path / "source").iterdir()}
    files |= {"pytorch_model.bin": b"pickle", "code.py": b"raise SystemExit", "onnx/model.onnx": b"x"}
    server = FakeHub(
        {"user/tiny": files, "user/old": {"pytorch_model.bin": b"x"}, "user/packed": {"m-Q8_0.gguf": gguf()}}
    )
    monkeypatch.setattr(transfer, "WAITS", (0.0,) * 3)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    close_session()
    server.close()


def options(models: Path, backend: str = "transformers") -> BackendOptions:
    return BackendOptions(backend=backend, models=models, gpu_layers=0, parallel=1)


def test_a_hub_id_is_fetched_once_and_without_code_and_pickles(hub: FakeHub, tmp_path: Path) -> None:
    for _ in range(2):
        backend = open_backend("user/tiny", options(tmp_path / "models"))
        assert isinstance(list(backend.start(HELLO))[-1], Done)
        assert backend.info.name == "tiny"
        backend.close()
    asked = [name for name, _ in hub.files_asked]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(asked)
    assert not {"pytorch_model.bin", "code.py", "model.onnx"} & set(asked)
    assert len(asked) == len(set(asked))


def test_a_download_may_be_given_up_and_goes_on(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(EngineClosed):
        fetch("user/tiny", tmp_path, lambda share: share < 0.1)
    folder = fetch("user/tiny", tmp_path, lambda _: True)
    assert folder is not None and is_whole(folder)


def test_a_repository_without_safetensors(hub: FakeHub, tmp_path: Path) -> None:
    assert fetch("user/packed", tmp_path, lambda _: True) is None
    with pytest.raises(ModelUnsupported):
        open_backend("user/old", options(tmp_path))
    with pytest.raises(ModelNotFound):
        open_backend("user/none", options(tmp_path))
    assert fetch("user/tiny:Q8_0", tmp_path, lambda _: True) is None
    assert fetch("./user", tmp_path, lambda _: True) is None


def test_the_files_of_a_model() -> None:
    names = ["README.md", "config.json", "tokenizer.model", "chat_template.jinja", "modeling.py", "model.bin",
             "model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", "adapter_model.safetensors",
             "model.safetensors.index.json", "onnx/config.json", "../../config.json"]  # fmt: skip
    assert choose_files(names) == (
        "chat_template.jinja", "config.json", "model.safetensors.index.json", "tokenizer.model",
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
    )  # fmt: skip
    assert choose_files(["config.json", "pytorch_model.bin"]) == ()


def test_a_folder_is_whole_with_all_its_parts(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "none")
    (tmp_path / "config.json").touch()
    (tmp_path / "model-00001-of-00002.safetensors").touch()
    assert not is_whole(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").touch()
    assert is_whole(tmp_path)


def test_a_folder_of_safetensors_chooses_the_engine_itself(tmp_path: Path) -> None:
    saved("qwen2", tmp_path / "My Qwen")
    shares: list[float] = []

    def told(_stage: str, share: float) -> bool:
        shares.append(share)
        return True

    backend = open_backend(str(tmp_path / "My Qwen"), BackendOptions(gpu_layers=0, parallel=1, progress=told))
    info = backend.info
    backend.close()
    assert (info.name, info.architecture, info.template, info.quantization) == ("My Qwen", "qwen2", "plain", "float32")
    assert info.window == info.trained_window == 256
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_loading_may_be_given_up(tmp_path: Path) -> None:
    saved("qwen2", tmp_path / "qwen")
    with pytest.raises(EngineClosed):
        open_backend(str(tmp_path / "qwen"), BackendOptions(gpu_layers=0, progress=lambda _stage, share: share < 0.3))


def test_other_weights_have_another_fingerprint(tmp_path: Path) -> None:
    for name in ("one", "two"):
        saved("llama", tmp_path / name)
    saved("mistral", tmp_path / "three")
    prints = []
    for name in ("one", "two", "three"):
        backend = open_backend(str(tmp_path / name), options(tmp_path))
        prints.append(backend.info.fingerprint)
        backend.close()
    assert prints[0] == prints[1] != prints[2]


def test_the_models_own_template_and_rugpt(tmp_path: Path) -> None:
    saved("gpt2", tmp_path / "rugpt3small")
    backend = open_backend(str(tmp_path / "rugpt3small"), options(tmp_path))
    assert backend.info.template == "plain-ru"
    backend.close()
    (tmp_path / "rugpt3small" / "chat_template.jinja").write_text(
        "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    )
    backend = open_backend(str(tmp_path / "rugpt3small"), options(tmp_path))
    assert backend.info.template.startswith("own-")
    assert backend.detokenize(backend.encode(HELLO.prompt).tokens).startswith("[hello world]")
    backend.close()
