"""The note of what is set up survives everything but its own loss, and one set-up works at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from webui.setup.place import Place, State


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "code", tmp_path / "venv")
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    return made


def test_a_note_comes_back(place: Place) -> None:
    noted = place.note(State("abc", ("test",), "0.3.36"))
    assert place.read() == noted == State("abc", ("test",), "0.3.36", os.path.realpath(sys.executable))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"extras": []}extra', '{"packages": "a"}', '{"extras": [], "x": 1}']
)
def test_a_torn_note_is_none(place: Place, text: str) -> None:
    place.state_file.write_text(text)
    assert place.read() == State()


def test_a_note_of_another_interpreter_is_none(place: Place, tmp_path: Path) -> None:
    place.note(State("abc"))
    other = tmp_path / "python3.99"
    other.touch()
    place.python.unlink()
    place.python.symlink_to(other)
    assert place.read() == State()
    other.unlink()
    assert place.read() == State()


def test_clearing_keeps_the_log_and_the_lock(place: Place) -> None:
    place.note(State("abc"))
    place.log.touch()
    (place.venv / "lib64").symlink_to(place.python.parent)
    with place.held():
        place.clear()
    assert sorted(place.venv.iterdir()) == sorted([place.lock, place.log])


def test_a_second_set_up_waits_for_the_first(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def second() -> None:
        with place.held():
            order.append("second")

    thread = threading.Thread(target=second)
    with place.held():
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "waiting" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="locks are inherited on POSIX only")
def test_what_a_killed_set_up_started_still_holds_the_place(place: Place) -> None:
    with place.held():
        orphan = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    taken = threading.Event()

    def take() -> None:
        with place.held():
            taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.1)
    orphan.communicate(b"\n")
    thread.join()
    assert taken.is_set()
