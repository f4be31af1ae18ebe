"""Presets: those that ship, a person's own, broken files, and names of every kind."""

import dataclasses
import errno
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from backends.sampling import NEUTRAL, SamplingParams, knobs
from webui import preset_files
from webui.errors import BadName, PresetBroken, PresetExists, PresetNotFound, PresetReserved, StorageFull
from webui.preset_files import LARGEST_FILE, file_name
from webui.presets import Presets
from webui.services import FIRST_PRESET, SHIPPED_PRESETS

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
HOT = SamplingParams(temperature=1.5, stop=("a", "b"), logit_bias=((3, -1.5),))
NAMES = (
    "../../etc/passwd", "..\\..\\boot.ini", "/abs", "C:\\x", ".", "..", "~", "CON", "nul.txt", "COM1", "trailing.",
    "trailing...", "quote\"'`", "${HOME}", "$(id)", "{{7*7}}", "%2e%2e%2f", "a:b", "a*b?", "<b>|", "Мой стиль", "ёж",
    "🫖", "👨‍👩‍👧", "名前", "- item", "key: value", "#comment", "!tag", "&a *a", "yes", "null", "1", "~/x", "x" * 60,
    "İstanbul", "ﬁne",
)  # fmt: skip


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(SHIPPED_PRESETS, tmp_path / "own")


def own_file(tmp_path: Path, text: str | bytes, name: str = "mine.yaml") -> Path:
    path = tmp_path / "own" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def names(presets: Presets) -> list[str]:
    return [preset.name for preset in presets.list() if preset.own]


def test_what_ships_is_whole_and_in_two_languages(presets: Presets) -> None:
    shipped = presets.list()
    assert [preset.name for preset in shipped] == [
        "balanced", "precise", "creative", "storyteller", "brainstorm", "code", "deterministic", "wild",
    ]  # fmt: skip
    for preset in shipped:
        assert preset.error is None and not preset.own
        assert preset.sampling != NEUTRAL
        for language in ("en", "ru"):
            assert preset.title(language) and preset.description(language)
            assert bool(CYRILLIC.search(preset.title(language))) == (language == "ru")
            assert bool(CYRILLIC.search(preset.description(language))) == (language == "ru")
    assert len({preset.title(language) for preset in shipped for language in ("en", "ru")}) == 16
    temperatures = [preset.sampling.temperature for preset in shipped]
    assert min(temperatures) == temperatures[-2] == 0 and max(temperatures) == temperatures[-1]


def test_the_first_preset_asks_nothing_unusual(presets: Presets) -> None:
    sampling = presets.load(FIRST_PRESET).sampling
    assert sampling.difference() == {
        "temperature": 0.7,
        "top_k": 100,
        "top_p": 0.9,
        "min_p": 0.05,
        "repeat_penalty": 1.05,
    }


def test_shipped_files_hold_only_what_differs(presets: Presets) -> None:
    for path in SHIPPED_PRESETS.glob("*.yaml"):
        written = yaml.safe_load(path.read_text(encoding="utf-8"))["sampling"]
        assert written == presets.load(path.stem).sampling.difference()


def test_a_preset_is_saved_and_loaded(presets: Presets, tmp_path: Path) -> None:
    saved = presets.save("Hot", HOT)
    assert presets.load("Hot") == saved
    assert saved.sampling == HOT and saved.own and saved.title("ru") == "Hot" and saved.description("ru") == ""
    (file,) = (tmp_path / "own").iterdir()
    text = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert text == {"name": "Hot", "sampling": HOT.difference()}


def test_every_knob_goes_through_a_file(presets: Presets) -> None:
    moved = {
        name: {"float": 0.25, "int": 3, "choice": 1, "texts": ("é", "\n"), "ints": (1, 2), "bias": ((5, 1.5),),
               "order": ("top_k", "temperature")}[knob.kind]
        for name, knob in knobs().items()
    }  # fmt: skip
    sampling = SamplingParams(**{**moved, "dry_base": 2.5})
    presets.save("all", sampling)
    assert presets.load("all").sampling == sampling
    assert set(sampling.difference()) == set(knobs())


def test_neutral_can_be_saved(presets: Presets) -> None:
    presets.save("nothing", NEUTRAL)
    assert presets.load("nothing").sampling == NEUTRAL


@pytest.mark.parametrize("name", NAMES)
def test_any_name_works(presets: Presets, tmp_path: Path, name: str) -> None:
    presets.save(name, HOT)
    assert names(presets) == [name]
    assert presets.load(name).sampling == HOT
    presets.rename(name, "other")
    assert names(presets) == ["other"]
    presets.rename("other", name)
    presets.save(name, NEUTRAL, overwrite=True)
    assert presets.load(name).sampling == NEUTRAL
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent for path in everything] == [tmp_path / "own"]
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*\.yaml", everything[0].name)
    presets.delete(name)
    assert names(presets) == [] and not list((tmp_path / "own").iterdir())


def test_file_names_differ_where_names_do() -> None:
    assert len({file_name(name) for name in NAMES}) == len(NAMES)
    assert all(len(file_name(name)) < 100 for name in NAMES)
    assert not {"con.yaml", "nul.yaml"} & {file_name(name) for name in NAMES}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"), ("  ", "empty"), ("\u200d", "empty"), ("x" * 61, "too_long"), ("a\nb", "invisible"),
        ("a\0b", "invisible"), ("a\x1bb", "invisible"), ("\u202egnp.exe", "invisible"), ("a\u200bb", "invisible"),
        ("\ud800", "invisible"), ("\ufeffa", "invisible"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_seen_are_refused(presets: Presets, tmp_path: Path, name: str, reason: str) -> None:
    presets.save("there", HOT)
    for command in (lambda: presets.save(name, HOT), lambda: presets.rename("there", name)):
        with pytest.raises(BadName) as refused:
            command()
        assert refused.value.details["reason"] == reason
        str(refused.value).encode()
    assert names(presets) == ["there"]


def test_case_and_accents_make_no_second_preset(presets: Presets) -> None:
    presets.save("Café", HOT)
    with pytest.raises(PresetExists):
        presets.save("CAFE\u0301", NEUTRAL)
    presets.save("CAFÉ", NEUTRAL, overwrite=True)
    assert names(presets) == ["CAFÉ"]


def test_saving_does_not_overwrite_unasked(presets: Presets) -> None:
    presets.save("mine", HOT)
    with pytest.raises(PresetExists):
        presets.save("mine", NEUTRAL)
    assert presets.load("mine").sampling == HOT


@pytest.mark.parametrize("name", ["balanced", "Balanced", " CODE ", "Сбалансированный", "Код"])
def test_what_ships_stays(presets: Presets, name: str) -> None:
    presets.save("mine", HOT)
    with pytest.raises(PresetReserved):
        presets.save(name, HOT, overwrite=True)
    with pytest.raises(PresetReserved):
        presets.rename("mine", name)
    with pytest.raises(PresetReserved):
        presets.rename(name, "x")
    with pytest.raises(PresetReserved):
        presets.delete(name)
    assert len(presets.list()) == 9


def test_rename(presets: Presets) -> None:
    presets.save("a", HOT)
    presets.save("b", NEUTRAL)
    with pytest.raises(PresetExists):
        presets.rename("a", "B")
    presets.rename("a", "A")
    assert names(presets) == ["A", "b"]
    presets.rename("A", "c")
    assert names(presets) == ["b", "c"] and presets.load("c").sampling == HOT
    with pytest.raises(PresetNotFound):
        presets.rename("A", "d")


def test_what_is_not_there_is_not_found(presets: Presets) -> None:
    for command in (presets.load, presets.delete):
        with pytest.raises(PresetNotFound):
            command("nowhere")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sampling: {temprature: 1}", "temprature"),
        ("sampling: {temperature: 99}", "temperature"),
        ("sampling: {temperature: hot}", "temperature"),
        ("sampling: {1: 2}", "unknown knob 1"),
        ("sampling: [1]", "sampling must be"),
        ("samling: {}", "unknown key 'samling'"),
        ("name: [x]", "name must be a text"),
        ("title: 3", "title must be"),
        ("order: first", "order must be"),
        ("- a", "mapping"),
        ("", "mapping"),
        ("a: [", "expected"),
        ("sampling: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("\x00", "not allowed"),
        ("a: &a [1]\nsampling: {temperature: *a}", "aliases"),
        ("a: " + "[" * 5000, "nested"),
        ("# " + "x" * LARGEST_FILE, "larger"),
    ],
)  # fmt: skip
def test_a_broken_file_is_listed_with_its_error(presets: Presets, tmp_path: Path, text: str | bytes, reason: str,
                                                ) -> None:  # fmt: skip
    path = own_file(tmp_path, text)
    presets.save("good", HOT)
    assert names(presets) == ["good", "mine"]
    broken = presets.list()[-1]
    assert broken.error is not None and reason in str(broken.error.details["reason"])
    assert broken.sampling == NEUTRAL
    with pytest.raises(PresetBroken) as refused:
        presets.load("mine")
    assert refused.value.details["name"] == "mine"
    with pytest.raises(PresetBroken):
        presets.rename("mine", "new")
    presets.delete("mine")
    assert not path.exists()


def test_a_broken_file_can_be_saved_over(presets: Presets, tmp_path: Path) -> None:
    own_file(tmp_path, "name: Mine\nsampling: {nonsense: 1}")
    assert names(presets) == ["Mine"]
    with pytest.raises(PresetExists):
        presets.save("mine", HOT)
    presets.save("mine", HOT, overwrite=True)
    assert presets.load("Mine").sampling == HOT
    assert len(list((tmp_path / "own").iterdir())) == 1


def test_aliases_cannot_blow_up(presets: Presets, tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{at}: &{at} [*{was}, *{was}]\n" for was, at in pairwise("abcdefghi"))
    own_file(tmp_path, bomb + "sampling: {temperature: *i}")
    assert "aliases" in str(presets.list()[-1].error)


def test_a_file_written_by_hand(presets: Presets, tmp_path: Path) -> None:
    path = own_file(tmp_path, "\ufeffdescription: {ru: Мой}\nsampling:\n  top_k: 5\n", "by hand.yaml")
    preset = presets.load("BY HAND")
    assert preset.sampling == SamplingParams(top_k=5) and preset.description("ru") == "Мой"
    presets.save("by hand", HOT, overwrite=True)
    assert path.exists() and presets.load("by hand").description("ru") == "Мой"
    presets.rename("by hand", "renamed")
    assert not path.exists() and names(presets) == ["renamed"]


def test_a_file_changed_by_hand_is_read_anew(presets: Presets, tmp_path: Path) -> None:
    own_file(tmp_path, "sampling: {top_k: 5}")
    assert presets.load("mine").sampling.top_k == 5
    own_file(tmp_path, "sampling: {top_k: 6}")
    assert presets.load("mine").sampling.top_k == 6


def test_a_name_that_ships_later_stays_reachable(presets: Presets, tmp_path: Path) -> None:
    own_file(tmp_path, "name: Code\nsampling: {top_k: 7}")
    assert names(presets) == ["Code (2)"]
    assert presets.load("Code (2)").sampling.top_k == 7
    presets.rename("Code (2)", "My code")
    assert names(presets) == ["My code"]


def test_a_missing_folder_is_no_error(tmp_path: Path) -> None:
    assert Presets(tmp_path / "none", tmp_path / "nothing").list() == ()


def test_a_full_disk_loses_nothing(presets: Presets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presets.save("mine", HOT)

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(StorageFull):
            presets.save("mine", NEUTRAL, overwrite=True)
    assert presets.load("mine").sampling == HOT
    assert len(list((tmp_path / "own").iterdir())) == 1


def test_accounts_do_not_see_each_others(tmp_path: Path) -> None:
    anna, boris = (Presets(SHIPPED_PRESETS, tmp_path / account) for account in ("1", "2"))
    anna.save("mine", HOT)
    assert names(boris) == []
    with pytest.raises(PresetNotFound):
        boris.load("mine")
    with pytest.raises(PresetNotFound):
        boris.delete("mine")


def test_a_preset_is_a_value(presets: Presets) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        presets.load("code").name = "x"  # type: ignore[misc]
    assert preset_files.LONGEST_NAME == 60, "the page's input box has the same limit"
