import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from webui.history.store import History


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history with nothing in it: copying it is faster than making one."""
    file = tmp_path_factory.mktemp("empty") / "samovar.db"
    History(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def url(tmp_path: Path, empty: Path) -> str:
    shutil.copy(empty, tmp_path / "samovar.db")
    return f"sqlite:///{tmp_path / 'samovar.db'}"


@pytest.fixture
def history(url: str) -> Iterator[History]:
    history = History(url)
    yield history
    history.close()


@pytest.fixture
def guest(history: History) -> int:
    """The id of a second account."""
    history.people.add_invitation("digest", 1e12)
    return history.people.accept_invitation("digest", 0.0, "Guest", "guest", "hash").id
