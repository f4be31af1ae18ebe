from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.scripted import Script
from tests.webui.api.office import Office
from tests.webui.house import House


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    built: list[Office] = []

    def make(script: Script | None = None, load: bool = True, **options: Any) -> Office:
        folder = tmp_path / str(len(built))
        folder.mkdir()
        built.append(Office(House(folder, script or Script(), load), **options))
        return built[-1]

    yield make
    for office in built:
        office.client.close()
        office.house.services.close()


@pytest.fixture
def office(build: Callable[..., Office]) -> Office:
    """The API over a model that echoes."""
    return build()
