from collections.abc import Iterator
from pathlib import Path

import pytest

from webui.history.store import History


@pytest.fixture
def url(tmp_path: Path) -> str:
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
