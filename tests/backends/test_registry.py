"""Model references: what opens what, and what is said of those that name nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from backends import registry
from backends.errors import (
    EngineFailed,
    InvalidParameter,
    ModelBroken,
    ModelNotFound,
    ModelUnavailable,
    ModelUnsupported,
)
from backends.models.locate import locate
from backends.registry import BackendOptions, open_backend
from backends.scripted import ScriptedBackend
from backends.values import Done, Request, TextDelta, TextPrompt
from tests.backends.models.making import gguf, put

Find = Callable[[str], Path]


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    """Locate a reference while standing in an empty folder, with HOME and the models beside it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return lambda reference: locate(reference, tmp_path / "models", lambda _: True)


@pytest.mark.parametrize(
    ("place", "reference"),
    [
        ("here/a.gguf", "a.gguf"),
        ("here/a.gguf", "./a.gguf"),
        ("a.gguf", "../a.gguf"),
        ("here/мои модели/модель с пробелом.gguf", "мои модели/модель с пробелом.gguf"),
        ("home/a.gguf", "~/a.gguf"),
        ("models/a.gguf", "a.gguf"),
        ("here/user/repo", "user/repo"),
        ("here/quoted ${HOME} '\".gguf", "quoted ${HOME} '\".gguf"),
    ],
)
def test_paths(find: Find, tmp_path: Path, place: str, reference: str) -> None:
    path = put(tmp_path / place if place.endswith(".gguf") else tmp_path / place / "x.gguf")
    assert find(reference).resolve() == path


def test_an_absolute_path(find: Find, tmp_path: Path) -> None:
    path = put(tmp_path / "деревня" / "a.gguf")
    assert find(str(path)) == path


def test_a_folder_is_its_one_model(find: Find, tmp_path: Path) -> None:
    for part in (1, 2):
        put(tmp_path / "big" / "deep" / f"big-{part:05}-of-00002.gguf")
    put(tmp_path / "big" / "mmproj-big.gguf")
    put(tmp_path / "big" / "adapter.gguf", gguf({"general.type": "adapter"}))
    first = tmp_path / "big" / "deep" / "big-00001-of-00002.gguf"
    assert find(str(tmp_path / "big")) == first
    assert find(str(first.with_name("big-00002-of-00002.gguf"))) == first


def test_a_folder_with_several_models_names_them(find: Find, tmp_path: Path) -> None:
    put(tmp_path / "two" / "b-Q8_0.gguf")
    put(tmp_path / "two" / "sub" / "a.gguf")
    with pytest.raises(InvalidParameter) as caught:
        find(str(tmp_path / "two"))
    assert caught.value.details["allowed"] == f"{Path('sub') / 'a.gguf'}, b-Q8_0.gguf"


def test_an_empty_folder(find: Find, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        find(str(tmp_path / "here"))


def test_a_missing_part_is_told(find: Find, tmp_path: Path) -> None:
    with pytest.raises(ModelBroken, match="big-00002-of-00002"):
        find(str(put(tmp_path / "big-00001-of-00002.gguf")))


@pytest.mark.parametrize(
    "reference",
    [
        "nothing.gguf", "./nothing", "../nothing.gguf", "~/nothing.gguf", "~nobody-at-all/a.gguf", "/nothing/at/all",
        "a/b/c", "word", "a\0b", "x" * 5000, "user/repo.gguf", "../../etc", "a/b:c:d", "C:\\models\\a.gguf",
    ],
)  # fmt: skip
def test_what_names_nothing(find: Find, reference: str) -> None:
    with pytest.raises(ModelNotFound):
        find(reference)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("user/repo", ("user/repo", "")),
        ("user/repo:Q4_K_M", ("user/repo", "Q4_K_M")),
        ("User-1/Some.Model-7B_GGUF:model q8.gguf", ("User-1/Some.Model-7B_GGUF", "model q8.gguf")),
    ],
)
def test_hub_ids(
    find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, expected: tuple[str, str]
) -> None:
    from backends.models import hub

    asked: list[Any] = []

    class Stand:
        def __init__(self, models: Path) -> None:
            asked.append(models)

        def fetch(self, repository: str, quantization: str, progress: Callable[[float], bool]) -> Path:
            asked.append((repository, quantization))
            return tmp_path

    monkeypatch.setattr(hub, "Hub", Stand)
    assert find(reference) == tmp_path
    assert asked == [tmp_path / "models", expected]


def test_the_demo() -> None:
    backend = open_backend("scripted:", BackendOptions(ctx=500))
    assert isinstance(backend, ScriptedBackend)
    assert backend.info.window == 500
    *said, done = backend.start(Request(TextPrompt("hello there")))
    assert "".join(event.text for event in said if isinstance(event, TextDelta)) == "You said: hello there"
    assert isinstance(done, Done)
    slow = open_backend("scripted:slow")
    assert isinstance(slow, ScriptedBackend)
    assert slow.script.delay == 0.05
    with pytest.raises(ModelNotFound):
        open_backend("scripted:other")


@pytest.mark.parametrize("reference", ["", "  "])
def test_no_reference(reference: str) -> None:
    with pytest.raises(ModelNotFound):
        open_backend(reference)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "HTTP://127.0.0.1:9/v1#model", "http://127.0.0.1:9,http://[::1]:9"]
)
def test_a_url_at_which_nothing_answers(url: str) -> None:
    with pytest.raises(ModelUnavailable, match="nothing answers there"):
        open_backend(url)


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(InvalidParameter) as caught:
        open_backend("scripted:", BackendOptions(backend="abacus"))
    known = "llamacpp, remote, scripted, transformers"
    assert caught.value.details == {"name": "backend", "value": "abacus", "allowed": known}


def made_elsewhere(reference: str, options: BackendOptions) -> tuple[str, int]:
    """A factory as another package would bring it."""
    return reference, options.ctx


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def install(name: str, value: str) -> None:
        points = EntryPoints([EntryPoint(name, value, registry.GROUP)])
        monkeypatch.setattr(registry, "entry_points", lambda **wanted: points.select(**wanted))

    return install


def test_another_package_may_add_an_engine(installed: Callable[[str, str], None]) -> None:
    installed("abacus", f"{__name__}:made_elsewhere")
    opened: Any = open_backend("anything", BackendOptions(backend="abacus", ctx=7))
    assert opened == ("anything", 7)
    assert registry.names() == ("abacus", "llamacpp", "remote", "scripted", "transformers")


def test_an_engine_that_does_not_load(installed: Callable[[str, str], None]) -> None:
    installed("broken", "no_such_module_at_all:open")
    with pytest.raises(EngineFailed, match="broken could not be loaded"):
        open_backend("a", BackendOptions(backend="broken"))


@pytest.mark.model
def test_a_real_model_is_opened(starter_model: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    path = tmp_path / "модель с пробелом.gguf"
    path.symlink_to(starter_model)
    backend = open_backend(
        str(path), BackendOptions(ctx=256, threads=1, progress=lambda stage, share: told.append((stage, share)) or True)
    )
    assert backend.info.window == 256
    backend.close()
    assert told[-1] == ("loading", 1.0)


@pytest.mark.model
def test_what_is_no_model(tmp_path: Path) -> None:
    for data, reason in (
        (gguf()[:-1], "1 of its"),
        (b"hello", "not a GGUF"),
        (gguf({"general.architecture": "x"}), "architecture"),
    ):
        path = put(tmp_path / "a.gguf", data)
        with pytest.raises((ModelBroken, ModelUnsupported), match=reason):
            open_backend(str(path))
