"""The one door: what it says before anything is set up, and what it hands over to."""

from __future__ import annotations

import ast
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

import launch
from webui.flags import flag
from webui.settings import options
from webui.setup import steps, words
from webui.setup.place import Place
from webui.setup.words import SetupFailed

SOURCE = launch.ROOT / "launch.py"


def say_to_bare_python(*argv: str, lang: str = "C.UTF-8", venv: str = "") -> subprocess.CompletedProcess[str]:
    """Run the launcher without site-packages, as on a machine with nothing but Python."""
    environ = {"LANG": lang, "PYTHONIOENCODING": "utf-8", "SAMOVAR_VENV": venv}
    command = [sys.executable, "-S", str(SOURCE), *argv]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environ, check=False)


def test_an_old_python_can_read_the_file() -> None:
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_which_one_is_needed() -> None:
    program = (
        f"import sys; sys.version_info = (3, 8, 1); exec(compile(open({str(SOURCE)!r}, 'rb').read(), 'launch', 'exec'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, and this is 3.8" in done.stderr and "нужен Python 3.11" in done.stderr


@pytest.mark.parametrize(("lang", "word"), [("C.UTF-8", "Flags of serve"), ("ru_RU.UTF-8", "Ключи serve")])
@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["serve", "--help"], ["test", "-h"]])
def test_help_on_a_bare_machine(argv: list[str], lang: str, word: str, tmp_path: Path) -> None:
    done = say_to_bare_python(*argv, lang=lang, venv=str(tmp_path / "venv"))
    assert done.returncode == 0, done.stderr
    assert word in done.stdout
    for name in ["serve", "test", "bench", *map(flag, options())]:
        assert name in done.stdout
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("argv", "lang", "text"),
    [
        (["brew"], "C.UTF-8", "There is no command brew"),
        (["brew"], "ru_RU.UTF-8", "Команды brew нет"),
        (["--port", "x"], "C.UTF-8", "--port: 'x' is not"),
        (["serve", "--port", "x"], "ru_RU.UTF-8", "--port: 'x' — не подходящее"),
    ],
)
def test_nonsense_is_refused_before_any_set_up(argv: list[str], lang: str, text: str, tmp_path: Path) -> None:
    done = say_to_bare_python(*argv, lang=lang, venv=str(tmp_path / "venv"))
    assert done.returncode == 1
    assert done.stderr.startswith(text) and "Traceback" not in done.stderr
    assert not (tmp_path / "venv").exists()


class Door:
    """What the launcher did: the set-up it asked for, the starter folder, the program that took over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.extras: list[str] | None = None
        self.starter: Path | None = None
        self.command: list[str] = []
        self.environ: dict[str, str] = {}
        monkeypatch.setattr(steps, "prepare", self.prepare)
        monkeypatch.setattr(steps, "fetch_starter", self.fetch)
        monkeypatch.setattr(steps, "find_chromium", lambda _: "/usr/bin/chromium")
        monkeypatch.setattr(launch, "become", self.become)
        monkeypatch.setattr(launch.os, "chdir", lambda _: None)

    def prepare(self, place: Place, extras: list[str] | tuple[str, ...] = ()) -> None:
        self.extras = list(extras)

    def fetch(self, place: Place, models: Path) -> None:
        self.starter = models

    def become(self, command: list[str], env: dict[str, str]) -> int:
        self.command, self.environ = command, env
        return 7


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Door:
    for name in options():
        monkeypatch.delenv("SAMOVAR_" + name.upper(), raising=False)
    monkeypatch.setenv("SAMOVAR_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SAMOVAR_VENV", str(tmp_path / "venv"))
    return Door(monkeypatch)


@pytest.mark.parametrize("argv", [[], ["serve"], ["--port", "80"], ["serve", "--port", "80"]])
def test_serve_gets_the_starter_and_hands_over(door: Door, tmp_path: Path, argv: list[str]) -> None:
    assert launch.main(argv) == 7
    assert (door.extras, door.starter) == ([], tmp_path / "data" / "models")
    python = str(Place(launch.ROOT, tmp_path / "venv").python)
    assert door.command == [python, "-P", "-m", "webui", *[word for word in argv if word != "serve"]]
    assert door.environ["PYTHONPATH"].startswith(str(launch.ROOT))


def test_no_starter_where_a_model_is_named_or_there(door: Door, tmp_path: Path) -> None:
    launch.main(["--model", "my.gguf"])
    assert door.starter is None
    (tmp_path / "data" / "models" / "some").mkdir(parents=True)
    (tmp_path / "data" / "models" / "some" / "my.gguf").touch()
    launch.main([])
    assert door.starter is None


def test_serve_goes_on_without_the_starter(
    door: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise SetupFailed("no network")

    monkeypatch.setattr(steps, "fetch_starter", fail)
    assert launch.main([]) == 7
    assert "no network" in capsys.readouterr().err


def test_test_sets_up_what_tests_need(door: Door, tmp_path: Path) -> None:
    assert launch.main(["test", "-k", "tree"]) == 7
    assert door.extras == ["test"] and door.command[1:] == ["-m", "pytest", "-k", "tree"]
    assert door.environ["SAMOVAR_CHROMIUM"] == "/usr/bin/chromium"
    assert door.environ["SAMOVAR_TEST_MODELS"] == str(door.starter) == str(tmp_path / "data" / "models")


def test_bench_sets_up_what_it_compares_with(door: Door) -> None:
    launch.main(["bench", "--output", "bench.json"])
    assert door.extras == ["bench", "test"]
    assert door.command[1:] == ["-m", "tests.bench", "--output", "bench.json"]


def test_no_chromium_where_browser_tests_are_left_out(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "find_chromium", lambda _: pytest.fail("it was looked for"))
    launch.main(["test", "-m", "not browser"])
    assert door.environ["SAMOVAR_CHROMIUM"] == ""


def test_every_sentence_is_used_and_says_the_same_in_both_languages() -> None:
    folder = launch.ROOT / "webui" / "setup"
    code = SOURCE.read_text(encoding="utf-8") + "".join(
        path.read_text(encoding="utf-8") for path in folder.glob("*.py")
    )
    assert set(re.findall(r"""\bsay\(["']([\w-]+)["']""", code)) == set(words._WORDS)
    for english, russian in words._WORDS.values():
        fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, russian)]
        assert fields[0] == fields[1]
