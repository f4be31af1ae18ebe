"""What the model panel is told: models, engines, and one of them looked at."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from backends import registry
from backends.errors import ModelNotFound
from backends.models.fit import Device
from backends.scripted import Script, ScriptedBackend
from tests.backends.models.making import MODEL as SETTINGS
from tests.backends.models.making import gguf, put
from tests.backends.models.test_weights import MODEL, folder, safetensors
from webui import shelf as shelves
from webui.choice import KeptChoices, ModelChoice
from webui.history.store import History
from webui.loader import Loader
from webui.settings import Settings
from webui.shelf import Shelf
from webui.ui.shelves import card, models

GIB = 1 << 30
SECRET = "http://me:pa55word@gpu-box:8000?key=s3cret"


class Room:
    def __init__(self, place: Path, **settings: Any) -> None:
        self.kept = KeptChoices(History(f"sqlite:///{place / 'samovar.db'}"))
        self.loader = Loader(lambda choice, _: ScriptedBackend(Script(name=choice.reference)), ready=self.kept.keep)
        self.shelf = Shelf(Settings(data_dir=place, **settings), self.kept, self.loader)

    def load(self, choice: ModelChoice) -> None:
        self.loader.switch(choice)
        with self.loader._condition:
            assert self.loader._condition.wait_for(lambda: self.loader.state.stage == "ready", 5)
        with self.loader._busy:
            pass  # it is kept, too


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    here = (Device("cuda", "Card", 6 * GIB), Device("cpu", "", 20 * GIB))
    monkeypatch.setattr(shelves, "devices", lambda: here)
    return Room(tmp_path)


def test_models_and_engines_that_were_used_are_listed(room: Room, tmp_path: Path) -> None:
    there = put(tmp_path / "models" / "there.gguf")
    (tmp_path / "link.gguf").symlink_to(there)
    room.kept.keep(ModelChoice(str(tmp_path / "link.gguf")))
    elsewhere = put(tmp_path / "elsewhere" / "used-Q8_0.gguf")
    for choice in (ModelChoice(str(elsewhere)), ModelChoice(SECRET), ModelChoice(str(tmp_path / "gone.gguf"))):
        room.kept.keep(choice)
    room.load(ModelChoice(str(there)))
    said = models(room.shelf)
    assert [(row["name"], row["loaded"]) for row in said["list"]] == [("there", True), ("used", False)]
    assert said["engines"] == ["http://***@gpu-box:8000?key=***"]


def test_a_secret_stays_at_home_and_is_found_again(room: Room) -> None:
    room.kept.keep(ModelChoice(SECRET, ctx=512))
    (shown,) = models(room.shelf)["engines"]
    looked = card(room.shelf.look(shown), "en")
    assert room.shelf.resolve(shown) == SECRET
    assert looked["kept"] == {"ctx": 512} and looked["reference"] == shown
    assert "pa55word" not in json.dumps([models(room.shelf), looked]) and "s3cret" not in json.dumps(looked)
    assert room.shelf.resolve("http://***@other") == "http://***@other"


def test_the_memory_that_weights_need_and_where_they_fit(room: Room, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(shelves, "_is_installed", lambda _: True)
    place = folder(tmp_path / "models" / "seven", {}, model=MODEL)
    monkeypatch.setattr(registry, "_missing", lambda _: ())
    looked = room.shelf.look(str(place))
    monkeypatch.undo()
    assert looked.model is not None and looked.model.parameters == 212
    sizes = {each.dtype: each.size for each in looked.weighings}
    assert sizes == {"float32": 848, "bfloat16": 424, "float16": 424, "int8": 212, "int4": 106}
    assert all(each.possible for each in looked.weighings)
    assert looked.unasked == "bfloat16" and looked.weighing is None
    big = shelves._weighing(7_000_000_000, "bfloat16", looked.devices)
    assert big.fits == ("cpu",), "14 GB are more than the card has"
    assert shelves._weighing(7_000_000_000, "int4", looked.devices).fits == ("cuda", "cpu")
    assert shelves._weighing(70_000_000_000, "bfloat16", looked.devices).fits == ()
    assert not shelves._weighing(1, "int8", looked.devices[1:]).possible
    assert shelves._unasked(10**9, looked.devices[1:]) == "float32"
    assert shelves._unasked(7 * 10**9, looked.devices[1:]) == "bfloat16"


def test_what_llama_cpp_takes_with_its_window(room: Room, tmp_path: Path) -> None:
    told = {"llama.embedding_length": 512, "llama.attention.head_count": 8, "llama.context_length": 4096}
    path = put(tmp_path / "models" / "a.gguf", gguf({**SETTINGS, **told}))
    looked = room.shelf.look(str(path))
    assert looked.window == 4096 and looked.weighing is not None
    assert looked.weighing.size == path.stat().st_size + 12 * 2 * 512 * 2 * 4096
    assert Room(tmp_path, ctx=1024).shelf.look(str(path)).window == 1024


def test_what_names_nothing_is_told_in_the_reader_s_language(room: Room) -> None:
    looked = room.shelf.look("nothing.gguf")
    assert isinstance(looked.error, ModelNotFound)
    assert "nothing.gguf" in card(looked, "en")["error"]
    assert "модели нет" in card(looked, "ru")["error"]


def test_an_engine_that_is_not_installed_comes_with_the_command(room: Room, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "_missing", lambda needed: tuple(name for name in needed if name == "torch"))
    place = folder(tmp_path / "m", {"auto_map": {}}, model=safetensors({"a": ("F32", [4])}))
    looked = card(room.shelf.look(str(place)), "en")
    (missing,) = [each for each in looked["engines"] if each["reason"] == "missing"]
    assert missing["name"] == "transformers"
    assert shlex.split(missing["install"])[1:4] == ["-m", "pip", "install"] and "torch>=2.5" in missing["install"]
    assert looked["own_code"] is True


def test_what_is_installed_is_what_the_project_names() -> None:
    import tomllib

    from tests.style.source import ROOT
    from webui.ui.shelves import INSTALL

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert list(INSTALL["transformers"]) == project["optional-dependencies"]["gpu"]
