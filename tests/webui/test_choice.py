"""How a model is opened: what was chosen, what the command line says, and what was kept of an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.errors import InvalidRequest
from tests.backends.models.making import put
from webui.__main__ import first_model
from webui.choice import KeptChoices, ModelChoice
from webui.history.store import History
from webui.settings import Settings


@pytest.fixture
def kept(tmp_path: Path) -> KeptChoices:
    return KeptChoices(History(f"sqlite:///{tmp_path / 'samovar.db'}"))


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(data_dir=folder, **given)


def test_what_is_left_open_is_as_the_command_line_says(tmp_path: Path) -> None:
    flags = settings(tmp_path, ctx=4096, threads=2, gpu_layers=0, dtype="bfloat16", parallel=3, template="chatml")
    options = ModelChoice("a.gguf", ctx=512, device="cpu").options(flags)
    assert (options.ctx, options.threads, options.gpu_layers) == (512, 2, 0)
    assert (options.dtype, options.device, options.parallel, options.template) == ("bfloat16", "cpu", 3, "chatml")
    assert not options.trust_remote_code
    plain = ModelChoice("a.gguf").options(settings(tmp_path))
    assert (plain.backend, plain.ctx, plain.gpu_layers, plain.dtype, plain.device) == ("", 0, -1, "auto", "auto")


def test_an_engine_named_on_the_command_line_is_not_forced_on_what_it_cannot_take(tmp_path: Path) -> None:
    flags = settings(tmp_path, backend="transformers", model="http://gpu-box:8000")
    assert ModelChoice("a.gguf").options(flags).backend == "transformers"
    assert ModelChoice("http://other:8000").options(flags).backend == ""
    assert ModelChoice("http://gpu-box:8000").options(flags).backend == "transformers", "what was asked for is tried"
    assert ModelChoice("a.gguf", backend="llamacpp").options(flags).backend == "llamacpp"


@pytest.mark.parametrize(
    "levers",
    [{"ctx": "512"}, {"ctx": True}, {"trust_remote_code": 1}, {"backend": None}, {"reference": "x"}, {"other": 1},
     {"gpu_layers": 1.5}],
)  # fmt: skip
def test_levers_of_another_kind_are_refused(levers: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        ModelChoice.from_mapping("a.gguf", levers)


def test_what_was_ready_is_kept_for_each_model_and_the_last_one_is_known(kept: KeptChoices) -> None:
    assert kept.last == "" and kept.all() == ()
    one, two = ModelChoice("one.gguf", ctx=512), ModelChoice("org/two", backend="transformers", trust_remote_code=True)
    for choice in (one, two, ModelChoice("one.gguf", ctx=1024)):
        kept.keep(choice)
    assert kept.last == "one.gguf"
    assert kept.all() == (ModelChoice("one.gguf", ctx=1024), two)
    assert kept.of("org/two") == two
    assert kept.of("another/two") == ModelChoice("another/two"), "trust is for one model only"
    kept.forget("org/two")
    assert kept.all() == (ModelChoice("one.gguf", ctx=1024),)


def test_what_another_version_kept_is_passed_over(kept: KeptChoices) -> None:
    kept._history.set_setting(1, "models", [["a.gguf", {"warp": 9}], ["b.gguf", {"ctx": 512}]])
    assert kept.all() == (ModelChoice("a.gguf"), ModelChoice("b.gguf", ctx=512))


def test_the_first_model(kept: KeptChoices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    flags = settings(tmp_path)
    assert first_model(flags, kept) is None
    starter = put(tmp_path / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf")
    assert first_model(flags, kept) == ModelChoice(str(starter))
    own = put(tmp_path / "models" / "Zebra.gguf")
    assert first_model(flags, kept) == ModelChoice(str(own))
    put(tmp_path / "home" / "mine.gguf")
    for reference in ("~/mine.gguf", "user/repo:Q4_K_M", "http://gpu-box:8000#big", str(starter)):
        kept.keep(ModelChoice(reference, ctx=512))
        assert first_model(flags, kept) == ModelChoice(reference, ctx=512)
    assert first_model(settings(tmp_path, model="b.gguf"), kept) == ModelChoice("b.gguf")


@pytest.mark.parametrize("gone", ["~/gone.gguf", "/nowhere/at/all.gguf", "gone.gguf"])
def test_a_last_model_that_is_gone_is_not_tried_again(kept: KeptChoices, tmp_path: Path, gone: str) -> None:
    kept.keep(ModelChoice(gone))
    there = put(tmp_path / "models" / "there.gguf")
    assert first_model(settings(tmp_path), kept) == ModelChoice(str(there))


def test_a_flag_goes_before_what_was_kept(kept: KeptChoices, tmp_path: Path) -> None:
    kept.keep(ModelChoice("user/repo", ctx=512, threads=3))
    flags = settings(tmp_path, ctx=4096)
    choice = first_model(flags, kept)
    assert choice == ModelChoice("user/repo", threads=3)
    assert choice.options(flags).ctx == 4096
