"""What the set-up decides to do: once, again, further, afresh. No step really runs here."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from backends.llamacpp import install
from webui.setup import steps
from webui.setup.place import Place
from webui.setup.words import SetupFailed

PROJECT = """
[project]
dependencies = ["gradio>=6", "llama-cpp-python>=0.3"]
[project.optional-dependencies]
test = ["pytest>=8"]
bench = ["openai>=2"]
"""
LOCK = "gradio==6.31.0\nllama-cpp-python==0.3.36 ; python_version > '3'\n"


class Runs:
    """Stands in for `run`: keeps the commands by their steps, makes the interpreter, fails where it is told to."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.commands: list[tuple[str, list[str]]] = []
        self.failing: dict[str, BaseException] = {}

    def __call__(self, step: str, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.commands.append((step.partition(",")[0], list(command)))
        if step == "Virtual environment":
            self.place.python.parent.mkdir(parents=True, exist_ok=True)
            self.place.python.symlink_to(sys.executable)
        if failure := next((failure for name, failure in self.failing.items() if name in step), None):
            raise failure

    def done(self) -> list[str]:
        """Return the steps since the last call."""
        names = [step for step, _ in self.commands]
        self.commands.clear()
        return names


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "code" / "requirements.lock").write_text(LOCK)
    return Place(tmp_path / "code", tmp_path / "venv")


@pytest.fixture
def runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> Runs:
    fake = Runs(place)
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setattr(steps, "run", fake)
    monkeypatch.setattr(install, "wheel_tags", lambda: ("cpu",))
    monkeypatch.setattr(install, "offers", lambda *_: None)
    monkeypatch.setattr(install, "mends", lambda: ())
    monkeypatch.setattr(install, "compiler_hint", lambda _: "")
    return fake


ALL = ["Virtual environment", "Packages", "Engine", "Engine"]


def test_everything_once_and_then_nothing(place: Place, runs: Runs) -> None:
    steps.prepare(place)
    assert runs.done() == ALL
    steps.prepare(place)
    assert runs.done() == []


def test_packages_are_asked_for_without_the_engine_and_within_the_lock(place: Place, runs: Runs) -> None:
    steps.prepare(place, ["test"])
    command = next(command for step, command in runs.commands if step == "Packages")
    assert command[-2:] == ["gradio>=6", "pytest>=8"]
    assert str(place.root / "requirements.lock") in command
    assert not [word for word in command if word.startswith(install.PACKAGE)]


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_file_brings_the_packages_up_to_date(place: Place, runs: Runs, name: str) -> None:
    steps.prepare(place)
    runs.done()
    with (place.root / name).open("a") as file:
        file.write("# changed\n")
    steps.prepare(place)
    assert runs.done() == ["Packages"]


def test_a_new_engine_version_is_installed(place: Place, runs: Runs) -> None:
    steps.prepare(place)
    runs.done()
    (place.root / "requirements.lock").write_text(LOCK.replace("0.3.36", "0.3.40"))
    steps.prepare(place)
    assert next(command for step, command in runs.commands if step == "Engine")[-1] == "llama-cpp-python==0.3.40"


def test_an_engine_that_was_not_built_for_this_processor_is_built_again(
    place: Place, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.prepare(place)
    assert not [command for _, command in runs.commands if "--no-cache-dir" in command]
    runs.done()
    monkeypatch.setattr(install, "mends", lambda: ("amx_tile",))
    steps.prepare(place)
    assert "--no-cache-dir" in runs.commands[0][1]
    assert runs.done() == ["Engine", "Engine"]
    steps.prepare(place)
    assert runs.done() == []


def test_further_extras_join_the_earlier_ones(place: Place, runs: Runs) -> None:
    steps.prepare(place, ["test"])
    runs.done()
    steps.prepare(place, ["bench"])
    assert {"pytest>=8", "openai>=2"} <= set(runs.commands[0][1])
    assert runs.done() == ["Packages"]
    steps.prepare(place, ["bench", "test"])
    steps.prepare(place)
    assert runs.done() == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SetupFailed("no network")])
def test_torn_packages_start_afresh(
    place: Place, runs: Runs, failure: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.failing["Packages"] = failure
    with pytest.raises(type(failure)):
        steps.prepare(place)
    (place.venv / "torn").mkdir()
    runs.failing.clear()
    runs.done()
    steps.prepare(place)
    assert runs.done() == ALL
    assert not (place.venv / "torn").exists()
    assert "starting afresh" in capsys.readouterr().out


def test_a_set_up_killed_at_the_engine_goes_on_there(place: Place, runs: Runs) -> None:
    runs.failing["built from source"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        steps.prepare(place)
    runs.failing.clear()
    runs.done()
    steps.prepare(place)
    assert runs.done() == ["Engine", "Engine"]


def test_a_removed_environment_is_made_again(place: Place, runs: Runs) -> None:
    steps.prepare(place)
    runs.done()
    shutil.rmtree(place.venv)
    steps.prepare(place)
    assert runs.done() == ALL


def test_without_a_compiler_it_says_what_to_install_and_goes_on_later(
    place: Place, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "compiler_hint", lambda _: "sudo apt install build-essential")
    with pytest.raises(SetupFailed, match="sudo apt install build-essential"):
        steps.prepare(place)
    assert runs.done() == ["Virtual environment", "Packages"]
    monkeypatch.setattr(install, "compiler_hint", lambda _: "")
    steps.prepare(place)
    assert runs.done() == ["Engine", "Engine"]


Offers = Callable[[Path, str, str, float], bool | None]


def answers(by_tag: Mapping[str, bool | None]) -> Offers:
    return lambda python, index, version, seconds: by_tag[index.rpartition("/")[2]]


@pytest.mark.parametrize(
    ("by_tag", "failing", "indexes", "built"),
    [
        ({"cu124": True}, "", ["cu124"], False),
        ({"cu124": False, "cpu": True}, "", ["cpu"], False),
        ({"cu124": True, "cpu": True}, "ready-made (cu124)", ["cu124", "cpu"], False),
        ({"cu124": None}, "", [], True),
        ({"cu124": False, "cpu": False}, "", [], True),
        ({"cu124": False, "cpu": True}, "ready-made (cpu)", ["cpu"], True),
    ],
)
def test_ready_made_engines_are_tried_in_order(
    place: Place, runs: Runs, monkeypatch: pytest.MonkeyPatch,
    by_tag: Mapping[str, bool | None], failing: str, indexes: list[str], built: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(install, "wheel_tags", lambda: ("cu124", "cpu"))
    monkeypatch.setattr(install, "offers", answers(by_tag))
    if failing:
        runs.failing[failing] = SetupFailed("404")
    steps.prepare(place)
    commands = [command for step, command in runs.commands if step == "Engine"]
    asked = [command[command.index("--extra-index-url") + 1] for command in commands if "--extra-index-url" in command]
    assert [index.rpartition("/")[2] for index in asked] == indexes
    assert any("--verbose" in command for command in commands) == built


def test_an_engine_that_does_not_run_here_is_built(place: Place, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "offers", lambda *_: True)
    removed: list[Path] = []
    monkeypatch.setattr(install, "remove", removed.append)
    checks = iter([SetupFailed("libc.musl"), None])

    def run(step: str, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        runs(step, command, log, env)
        if install.CHECK in command and (failure := next(checks)):
            raise failure

    monkeypatch.setattr(steps, "run", run)
    steps.prepare(place)
    assert "--verbose" in runs.commands[-2][1] and install.CHECK in runs.commands[-1][1]
    assert removed == [place.venv, place.venv]


def test_an_unlocked_package_is_told(place: Place) -> None:
    with pytest.raises(SetupFailed, match="torch"):
        steps.locked(place, "torch")


def test_our_modules_are_found_from_any_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert steps.environment(place)["PYTHONPATH"].split(":" if sys.platform != "win32" else ";") == [
        str(place.root),
        "elsewhere",
    ]


def test_chromium_is_found_or_fetched_or_asked_for(place: Place, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/google-chrome" if name == "google-chrome" else None)
    assert steps.find_chromium(place) == "/usr/bin/google-chrome"
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert steps.find_chromium(place) == "" and runs.done() == ["Chromium"]
    runs.failing["Chromium"] = SetupFailed("offline")
    with pytest.raises(SetupFailed, match="apt install chromium"):
        steps.find_chromium(place)


def test_a_folder_that_cannot_be_written_is_told(place: Place) -> None:
    place.venv.write_text("a file where the folder should be")
    with pytest.raises(SetupFailed, match=r"The set-up failed: .*venv"):
        steps.prepare(place)
