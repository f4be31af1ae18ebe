"""What is on disk: whole models, split ones, broken ones, and what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backends.errors import ModelBroken, ModelUnsupported
from backends.models import library
from backends.models.library import Library, headers_of, parts_of
from tests.backends.models.making import MODEL, TENSORS, gguf, put


def test_every_model_below_the_folder(tmp_path: Path) -> None:
    put(tmp_path / "Bravo-Q4_K_M.gguf")
    alpha = put(tmp_path / "дом" / "с пробелом" / "alpha.gguf")
    put(tmp_path / ".cache" / "hidden.gguf")
    put(tmp_path / "notes.txt", b"nothing")
    put(tmp_path / "mmproj-Bravo-f16.gguf")
    found = Library(tmp_path).models()
    assert [model.name for model in found] == ["alpha", "Bravo"]
    assert found[0].path == alpha
    assert (found[0].size, found[0].quantization) == (len(gguf()), "Q4_K_M")
    assert (found[0].parameters, found[0].window, found[0].error) == (1280, 4096, None)


def test_no_folder_no_models(tmp_path: Path) -> None:
    assert Library(tmp_path / "none").models() == ()


def test_a_split_model_is_one(tmp_path: Path) -> None:
    for part in (3, 1, 2):
        put(tmp_path / f"big-Q4_K_M-{part:05}-of-00003.gguf", gguf(MODEL if part == 1 else {}, TENSORS[:1]))
    (model,) = Library(tmp_path).models()
    assert model.path.name == "big-Q4_K_M-00001-of-00003.gguf"
    assert (model.name, model.parameters, model.window) == ("big", 3 * 1024, 4096)
    assert model.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert parts_of(tmp_path / "big-Q4_K_M-00002-of-00003.gguf")[0] == model.path


@pytest.mark.parametrize("missing", [1, 2])
def test_a_split_model_lacking_a_part_is_broken(tmp_path: Path, missing: int) -> None:
    for part in {1, 2, 3} - {missing}:
        put(tmp_path / f"big-{part:05}-of-00003.gguf")
    (model,) = Library(tmp_path).models()
    assert isinstance(model.error, ModelBroken)
    assert f"big-{missing:05}-of-00003.gguf is missing" in str(model.error)


def test_a_split_model_with_a_part_cut_short_is_broken(tmp_path: Path) -> None:
    put(tmp_path / "big-00001-of-00002.gguf")
    put(tmp_path / "big-00002-of-00002.gguf", gguf()[:-7])
    (model,) = Library(tmp_path).models()
    assert "7 of its" in str(model.error)


def test_broken_files_are_listed_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path / "cut.gguf", gguf()[:-1])
    put(tmp_path / "empty.gguf", b"")
    put(tmp_path / "vocabulary.gguf", gguf(tensors=()))
    (tmp_path / "lost.gguf").symlink_to(tmp_path / "nowhere.gguf")
    put(tmp_path / "lora.gguf", gguf({"general.type": "adapter"}))
    said = {model.name: str(model.error) for model in Library(tmp_path).models()}
    assert list(said) == ["cut", "empty", "lora", "lost", "vocabulary"]
    assert "1 of its" in said["cut"] and "empty" in said["empty"] and "no weights" in said["vocabulary"]
    assert "There is no model" in said["lost"] and "no model by itself" in said["lora"]
    with pytest.raises(ModelUnsupported):
        headers_of(tmp_path / "lora.gguf")


def test_a_link_that_leads_round_in_a_circle(tmp_path: Path) -> None:
    put(tmp_path / "a" / "model.gguf")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert len(Library(tmp_path).models()) == 1


def test_a_header_is_read_again_only_when_the_file_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "model.gguf")
    reads: list[Path] = []
    read = library.read_header
    monkeypatch.setattr(library, "read_header", lambda path: reads.append(path) or read(path))
    for _ in range(3):
        Library(tmp_path).models()
    assert reads == [path]
    put(path, gguf({**MODEL, "llama.context_length": 1024}))
    os.utime(path, (1, 1))
    assert Library(tmp_path).models()[0].window == 1024
