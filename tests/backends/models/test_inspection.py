"""What a reference names, as far as this computer knows; and which engines take it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from backends import registry
from backends.errors import InvalidParameter, ModelBroken, ModelNotFound, SamovarError
from backends.registry import Offer, look, may_take, offers
from tests.backends.models.making import gguf, put
from tests.backends.models.test_weights import MODEL, folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_files_folders_and_the_home(tmp_path: Path) -> None:
    put(tmp_path / "here" / "a-Q4_K_M.gguf")
    put(tmp_path / "home" / "b.gguf")
    folder(tmp_path / "here" / "qwen", {"model_type": "qwen2"}, model=MODEL)
    models = tmp_path / "models"
    assert (found := look("a-Q4_K_M.gguf", models)).gguf and not found.weights and found.here
    assert look("~/b.gguf", models).gguf
    assert (found := look("qwen", models)).weights and not found.gguf
    put(tmp_path / "here" / "qwen" / "q-Q8_0.gguf")
    assert (found := look("./qwen", models)).weights and found.gguf


@pytest.mark.parametrize(
    ("reference", "error"),
    [("none.gguf", ModelNotFound), ("./none", ModelNotFound), ("word", ModelNotFound), ("a/b/c", ModelNotFound),
     ("http://", ModelNotFound), ("http://host:port:x", ModelNotFound), ("cut.gguf", ModelBroken),
     ("two", InvalidParameter), ("cut-folder", ModelBroken)],
)  # fmt: skip
def test_what_cannot_be_used_is_told_before_it_is_opened(
    tmp_path: Path, reference: str, error: type[SamovarError]
) -> None:
    put(tmp_path / "here" / "cut.gguf", gguf()[:-1])
    put(tmp_path / "here" / "two" / "a.gguf")
    put(tmp_path / "here" / "two" / "b.gguf")
    folder(tmp_path / "here" / "cut-folder", {}, model=MODEL[:-1])
    with pytest.raises(error):
        look(reference, tmp_path / "models")


def test_a_hub_id_needs_no_network(tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert (found := look("user/repo:Q8_0", models)).hub == "user/repo" and not found.here
    put(models / "user" / "repo" / "x-Q4_K_M.gguf")
    assert not look("user/repo:Q8_0", models).here
    assert look("user/repo", models).gguf
    folder(models / "safetensors" / "user" / "repo", {}, model=MODEL)
    assert (found := look("user/repo", models)).weights and found.gguf
    assert look("user/repo:Q4_K_M", models).weights is None


def test_which_engines_take_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"llama_cpp"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in installed else None)
    monkeypatch.setattr(registry, "names", lambda: ("abacus", "llamacpp", "remote", "scripted", "transformers"))
    put(tmp_path / "here" / "a.gguf")
    folder(tmp_path / "here" / "qwen", {}, model=MODEL)

    def offered(reference: str) -> dict[str, Offer]:
        return {offer.engine: offer for offer in offers(reference, look(reference, tmp_path / "models"))}

    file = offered("a.gguf")
    assert list(file) == ["llamacpp", "abacus", "remote", "transformers"]
    assert file["transformers"] == Offer("transformers", "missing", ("torch", "transformers", "gguf"))
    assert file["remote"].reason == "address" and file["llamacpp"].reason == ""
    installed.update(("torch", "transformers", "gguf"))
    assert registry._engine_for("a.gguf", tmp_path) == "llamacpp"
    installed.remove("llama_cpp")
    assert registry._engine_for("a.gguf", tmp_path) == "abacus", "what another package brings goes before"
    monkeypatch.setattr(registry, "names", lambda: ("llamacpp", "remote", "scripted", "transformers"))
    assert registry._engine_for("a.gguf", tmp_path) == "transformers"
    installed.clear()
    assert registry._engine_for("a.gguf", tmp_path) == "llamacpp", "its absence is told"
    installed.update(("llama_cpp", "torch", "transformers", "gguf"))
    assert offered("a.gguf")["transformers"].reason == ""
    weights = offered("qwen")
    assert next(iter(weights)) == "transformers" and weights["llamacpp"] == Offer("llamacpp", "format")
    assert next(iter(offered("user/repo"))) == "llamacpp"
    folder(tmp_path / "models" / "safetensors" / "user" / "repo", {}, model=MODEL)
    assert next(iter(offered("user/repo"))) == "transformers", "it is here"
    url = offered("http://gpu-box:8000")
    assert [name for name, offer in url.items() if not offer.reason] == ["remote"]
    assert next(iter(offered("scripted:"))) == "scripted"


@pytest.mark.parametrize(
    ("engine", "reference", "may"),
    [("remote", "http://x", True), ("llamacpp", "HTTPS://x", False), ("remote", "a.gguf", False),
     ("scripted", "a.gguf", False), ("scripted", "scripted:", True), ("llamacpp", "scripted:", False),
     ("transformers", "a.gguf", True)],
)  # fmt: skip
def test_the_form_alone(engine: str, reference: str, may: bool) -> None:
    assert may_take(engine, reference) is may
