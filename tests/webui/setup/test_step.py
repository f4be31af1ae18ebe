"""One step: its output is kept, its failure is explained, its end leaves nothing running."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest

from webui.setup import step
from webui.setup.words import SetupFailed

PYTHON = [sys.executable, "-c"]


def test_a_step_is_logged_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "setup.log"
    log.write_text("before\n")
    step.run("Packages", [*PYTHON, "import sys; print('one'); print('two', file=sys.stderr)"], log, os.environ)
    assert log.read_text().split() == ["before", "one", "two"]
    assert "✓ Packages (" in capsys.readouterr().out


def test_a_failure_is_explained_and_points_to_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "setup.log"
    with pytest.raises(SetupFailed) as failure:
        step.run("Packages", [*PYTHON, "print('ERROR: no such thing'); exit(3)"], log, os.environ)
    assert "Packages failed: ERROR: no such thing" in str(failure.value)
    assert str(log) in str(failure.value)
    assert "✗ Packages" in capsys.readouterr().out


def test_a_long_step_shows_that_it_lives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "_NOTHING_NEW_SECONDS", 0.05)
    program = "import time; print('[3/19] c++ a.cpp', flush=True); time.sleep(0.4)"
    step.run("Engine", [*PYTHON, program], tmp_path / "log", os.environ)
    assert "… Engine: " in (shown := capsys.readouterr().out) and "[3/19]" in shown


@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX's")
def test_an_interrupted_step_ends_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "pids"
    program = (
        "import os, subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}\\n'); time.sleep(60)"
    )

    def interrupt(*_: object) -> None:
        while not (note.exists() and note.read_text().endswith("\n")):
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(step, "_watch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        step.run("Engine", [*PYTHON, program], tmp_path / "log", os.environ)
    for pid in map(int, note.read_text().split()):
        while _alive(pid):
            time.sleep(0.01)


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    status = Path(f"/proc/{pid}/stat")
    try:
        # A zombie that init has not collected yet is dead as well.
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (
            [
                "WARNING: Retrying after connection broken by 'NewConnectionError(\"Failed\")': /simple/gradio/",
                "ERROR: No matching distribution found for gradio<7,>=6.31",
            ],
            ("network", "gradio<7,>=6.31"),
        ),
        (["Retrying … 'ReadTimeoutError(…)': /simple/nh3/"], ("network", "nh3")),
        (["OSError: [Errno 28] No space left on device"], ("disk is full",)),
        (["compiling", "c++: fatal error: no input", "done", ""], ("Packages failed", "c++: fatal error: no input")),
        (["only this", " "], ("only this",)),
        ([], ("?",)),
    ],
)
def test_reasons(lines: list[str], parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert all(part in step.explain("Packages", lines) for part in parts)


def test_reasons_in_russian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert step.explain("Пакеты", ["NameResolutionError: /simple/gradio/"]).startswith(
        "Пакеты: нет связи с сетью (gradio)"
    )


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (
            ["Collecting gradio<7", "  Downloading https://host/packages/ab/gradio-6.31.0.whl (40 MB)"],
            "gradio-6.31.0.whl",
        ),
        (["Collecting gradio<7", "  something else"], "gradio<7"),
        (["  [104/193] /usr/bin/g++ -c a.cpp"], "[104/193]"),
        (["Installing collected packages: a, b"], "Installing"),
        (["nothing known"], ""),
        ([], ""),
    ],
)
def test_what_a_step_is_at(lines: list[str], shown: str) -> None:
    assert step.doing(lines) == shown


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1:00"), (3725.5, "62:05")])
def test_clock(seconds: float, text: str) -> None:
    assert step.clock(seconds) == text
