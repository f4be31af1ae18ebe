"""Starting on bad ground: one sentence in the reader's language, an exit code, and nothing is touched."""

import errno
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from webui import __main__ as program
from webui.history.store import History
from webui.services import Services

Said = pytest.CaptureFixture[str]


@pytest.fixture(params=["en_GB.UTF-8", "ru_RU.UTF-8"])
def russian(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    for name in [name for name in os.environ if name.startswith(("SAMOVAR_", "LC_", "LANG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", request.param)
    return bool(request.param.startswith("ru"))


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Services]]:
    """Whatever gets as far as serving is noted, and ends at once."""
    served: list[Services] = []

    def serve(services: Services, feed: object) -> int:
        served.append(services)
        return 0

    monkeypatch.setattr(program, "serve", serve)
    yield served
    for services in served:
        services.close()


def refused(said: Said, data: Path, *flags: str, port: int = 0) -> tuple[int, str]:
    """Start; returns the exit code and the one line that was said."""
    code = program.main(["--data-dir", str(data), "--port", str(port), "--no-browser", *flags])
    captured = said.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "Traceback" not in captured.err
    return code, captured.err


def test_it_starts(started: list[Services], tmp_path: Path, russian: bool) -> None:
    assert program.main(["--data-dir", str(tmp_path / "new" / "data"), "--port", "0"]) == 0
    assert len(started) == 1 and (tmp_path / "new" / "data" / "samovar.db").is_file()


def test_a_port_in_use(started: list[Services], tmp_path: Path, capsys: Said, russian: bool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        code, line = refused(capsys, tmp_path / "data", port=port)
    assert code == 1 and str(port) in line and ("занят" if russian else "taken") in line
    assert not (tmp_path / "data").exists() and started == []


def test_an_address_of_somebody_else(tmp_path: Path, capsys: Said, russian: bool) -> None:
    code, line = refused(capsys, tmp_path / "data", "--host", "192.0.2.1")
    assert code == 1 and "192.0.2.1" in line


def test_a_database_from_a_newer_version(started: list[Services], tmp_path: Path, capsys: Said, russian: bool) -> None:
    History(f"sqlite:///{tmp_path / 'samovar.db'}").close()
    with closing(sqlite3.connect(tmp_path / "samovar.db")) as connection:
        connection.execute("INSERT INTO migration VALUES (99, 'from the future', 1.0)")
        connection.commit()
    before = (tmp_path / "samovar.db").read_bytes()
    code, line = refused(capsys, tmp_path)
    assert code == 1 and "99" in line and ("нов" if russian else "newer") in line
    assert (tmp_path / "samovar.db").read_bytes() == before and started == []


def test_a_database_that_is_none(tmp_path: Path, capsys: Said, russian: bool) -> None:
    (tmp_path / "samovar.db").write_bytes(b"a letter to my aunt\n" * 500)
    code, line = refused(capsys, tmp_path)
    assert code == 1 and ("поврежд" if russian else "damaged") in line
    assert (tmp_path / "samovar.db").read_bytes() == b"a letter to my aunt\n" * 500


@pytest.mark.parametrize("below", ["", "sub", "sub/sub"])
def test_a_data_folder_that_is_a_file(tmp_path: Path, capsys: Said, russian: bool, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    code, line = refused(capsys, tmp_path / "file" / below)
    assert code == 1 and str(tmp_path / "file") in line and ("папк" if russian else "folder") in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_secret_that_cannot_be_kept(tmp_path: Path, capsys: Said, russian: bool) -> None:
    (tmp_path / "secret").mkdir()
    code, line = refused(capsys, tmp_path)
    assert code == 1 and "secret" in line and ("папк" if russian else "folder") in line


def test_a_full_disk(tmp_path: Path, capsys: Said, russian: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "mkdir", full)
    code, line = refused(capsys, tmp_path / "data")
    assert code == 1 and ("мест" if russian else "no room") in line


def test_a_password_that_is_too_short(started: list[Services], tmp_path: Path, capsys: Said, russian: bool) -> None:
    code, line = refused(capsys, tmp_path, "--listen", "--password", "tea")
    assert code == 1 and "8" in line and ("парол" if russian else "password") in line.lower() and started == []


@pytest.mark.parametrize(
    "flags",
    [("--ctx", "12"), ("--port", "70000"), ("--port", "x"), ("--nonsense",), ("--model",), ("--host", "a b"),
     ("--parallel", "0"), ("--database-url", "nonsense"), ("--data-dir", "")],
)  # fmt: skip
def test_settings_that_cannot_be(
    started: list[Services], tmp_path: Path, capsys: Said, russian: bool, flags: tuple[str, ...]
) -> None:
    code, line = refused(capsys, tmp_path, *flags)
    assert code == 2 and (flags[0] in line or flags[0] == "--model") and started == []


def test_the_password_is_shown_once(started: list[Services], tmp_path: Path, capsys: Said, russian: bool) -> None:
    for attempt in range(2):
        assert program.main(["--data-dir", str(tmp_path), "--port", "0", "--listen"]) == 0
        shown = capsys.readouterr().out
        assert ("samovar-" in shown) == (attempt == 0) and shown.count("\n") == (2 if attempt == 0 else 0)
        started.pop().close()
