"""A PostgreSQL of the test's own, where its programs are installed: a new cluster that listens on a socket only."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine

from webui.history.store import History

_OWNER = "samovar"
_QUICK = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"


def programs() -> Path | None:
    """Return the folder with `initdb` and `pg_ctl`, None if there is none."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Cluster:
    """Hands out databases; each begins as a copy of one with our tables."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, itertools.count()
        History(self.database("first", "template1")).close()

    def fresh(self) -> str:
        """Return the URL of a database with our tables and nothing in them."""
        return self.database(f"copy{next(self._numbers)}", "first")

    def database(self, name: str, template: str) -> str:
        """Make a database and return its URL."""
        engine = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        engine.dispose()
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://{_OWNER}@/{name}?host={self._folder}"


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Run a cluster in an empty folder, as somebody else if we are root, whom PostgreSQL does not run for."""
    bin_folder = programs()
    assert bin_folder is not None
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    data = str(folder / "data")

    def call(program: str, *arguments: str) -> None:
        command = [str(bin_folder / program), *arguments]
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=60)

    call("initdb", "-D", data, "-A", "trust", "-U", _OWNER, "-E", "UTF8", "--locale", "C.UTF-8", "-N")
    call("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", f"-h '' -k '{folder}' {_QUICK}", "start")
    try:
        yield Cluster(folder)
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
