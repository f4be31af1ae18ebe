import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.webui.history.postgres import Cluster, programs, running
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


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL; its folder has a short name, as a socket's address must be."""
    pytest.importorskip("psycopg")
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with TemporaryDirectory(prefix="samovar") as folder, running(Path(folder)) as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def history(request: pytest.FixtureRequest) -> Iterator[History]:
    """An empty history, once on each database that we promise."""
    name = "url" if request.param == "sqlite" else "cluster"
    source = request.getfixturevalue(name)
    history = History(source if isinstance(source, str) else source.fresh())
    yield history
    history.close()


@pytest.fixture
def guest(history: History) -> int:
    """The id of a second account."""
    history.people.add_invitation("digest", 1e12)
    return history.people.accept_invitation("digest", 0.0, "Guest", "guest", "hash").id
