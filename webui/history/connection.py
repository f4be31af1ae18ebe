"""The way to the database: connections, transactions, and the errors of the driver told in our own.

SQLite gets one writer at a time by a lock of ours: its own waiting sleeps in steps, ours wakes at once.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from webui.errors import DatabaseBroken, DatabaseUnavailable, HistoryFailed, StorageFull

WAIT_SECONDS = 10
"""How long to wait for another program that has locked the database."""

_PRAGMAS = ("journal_mode = WAL", f"busy_timeout = {WAIT_SECONDS * 1000}", "foreign_keys = ON", "synchronous = NORMAL")
_POSTGRESQL = "postgresql+psycopg"
_WRITING = "samovar_writing"
_BROKEN = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_FULL_SQLSTATES = ("53100",)
_HARDLY_ANY = 1 << 20


class Database:
    """A database behind short transactions. All methods may be called from any thread.

    Whatever is done in a transaction raises `HistoryFailed` (`StorageFull`, `DatabaseBroken`, `DatabaseUnavailable`)
    and is then undone as a whole.
    """

    def __init__(self, url: str) -> None:
        """Open `url` (any SQLAlchemy URL); a missing SQLite file is made, with its folder."""
        with self._told():
            self._url = _parsed(url)
            self._prepare_file()
            self._engine = create_engine(self._url, **self._engine_options())
        self._writer: AbstractContextManager[Any] = threading.RLock() if self.sqlite else nullcontext()
        if self.sqlite:
            event.listen(self._engine, "connect", _set_up)
            event.listen(self._engine, "begin", _begin)

    @property
    def sqlite(self) -> bool:
        """Whether this is SQLite, with its full-text index."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The SQLite file, None for another or an in-memory database."""
        name = self._url.database
        return Path(name) if self.sqlite and name and name != ":memory:" else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection whose reads all see the same moment."""
        shared = self._writer if self.sqlite and self.file is None else nullcontext()
        with self._told(), shared, self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection whose changes are kept together at the end, or not at all."""
        with self._told(), self._writer, self._engine.connect() as connection:
            connection.execution_options(**{_WRITING: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all idle connections."""
        self._engine.dispose()

    def _engine_options(self) -> dict[str, Any]:
        if not self.sqlite:
            return {"pool_pre_ping": True}
        # isolation_level None: the driver must not begin transactions of its own, `_begin` does it.
        connect_args: dict[str, Any] = {"check_same_thread": False, "isolation_level": None, "timeout": WAIT_SECONDS}
        if self.file is None:
            return {"connect_args": connect_args, "poolclass": StaticPool}
        return {"connect_args": connect_args, "pool_size": 8, "max_overflow": 56}

    def _prepare_file(self) -> None:
        """Make the folder. An existing file is first only read, so that what is not ours stays as it is."""
        if (file := self.file) is None:
            return
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.exists():
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as probe:
                probe.execute("SELECT count(*) FROM sqlite_master").fetchone()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error, OSError, PoolTimeout) as error:
            if (ours := self._translate(error)) is None:
                raise
            raise ours from error

    def _translate(self, error: Exception) -> HistoryFailed | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = str(cause).strip() or type(cause).__name__
        if self._is_full(cause):
            return StorageFull(reason=reason)
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
            return DatabaseBroken(reason=reason)
        if isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError | OSError | PoolTimeout):
            return DatabaseUnavailable(reason=reason)
        return None

    def _is_full(self, cause: object) -> bool:
        if isinstance(cause, OSError):
            return cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if isinstance(cause, sqlite3.Error):
            code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
            # On a full disk SQLite sometimes reports only that it could not write.
            return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and self._hardly_any_room())
        return getattr(cause, "sqlstate", None) in _FULL_SQLSTATES

    def _hardly_any_room(self) -> bool:
        return self.file is not None and shutil.disk_usage(self.file.parent).free < _HARDLY_ANY


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername=_POSTGRESQL)
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise DatabaseUnavailable(reason=str(error)) from error
    return parsed


def _set_up(connection: Any, _record: object) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """A writer takes the lock at its beginning: one that has read first could not wait for it any more."""
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
