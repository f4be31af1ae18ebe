"""What tests of both trees share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backends.models import starter


@pytest.fixture(scope="session")
def starter_model(pytestconfig: pytest.Config) -> Path:
    """The starter model's file: SAMOVAR_STARTER_MODEL, or in the folder SAMOVAR_TEST_MODELS, or fetched once."""
    if named := os.environ.get("SAMOVAR_STARTER_MODEL"):
        return Path(named)
    folder = os.environ.get("SAMOVAR_TEST_MODELS")
    if folder and (path := Path(folder) / starter.FILE_NAME).is_file():
        return path
    return starter.ensure(pytestconfig.cache.mkdir("starter"))
