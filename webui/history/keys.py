"""API keys in SQL: of a key only its digest is kept, and what its owner knows it by."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import delete, insert, select

from webui.errors import NotFound
from webui.history.connection import Database
from webui.history.tables import ACCOUNT, API_KEY
from webui.history.values import ApiKey


class Keys:
    """The API keys of one database. Every method is one transaction and may be called from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def add(self, account: int, digest: str, label: str, hint: str) -> None:
        """Keep a key of an account. Raises `NotFound` (account)."""
        values = {"account_id": account, "digest": digest, "created": self._clock(), "label": label, "hint": hint}
        with self._database.write() as connection:
            there = select(ACCOUNT.c.id).where(ACCOUNT.c.id == account, ACCOUNT.c.removed.is_(None))
            if connection.execute(there).first() is None:
                raise NotFound(what="account")
            connection.execute(insert(API_KEY).values(values))

    def account_of(self, digest: str) -> int | None:
        """Return the id of the account that a key belongs to."""
        with self._database.read() as connection:
            return connection.execute(select(API_KEY.c.account_id).where(API_KEY.c.digest == digest)).scalar()

    def of_account(self, account: int) -> list[ApiKey]:
        """Return the keys of an account, the oldest first."""
        mine = select(API_KEY).where(API_KEY.c.account_id == account).order_by(API_KEY.c.id)
        with self._database.read() as connection:
            return [ApiKey(row.id, row.label, row.hint, row.created) for row in connection.execute(mine)]

    def remove(self, account: int, key: int) -> None:
        """Take a key away. Raises `NotFound` (key), also for another account's."""
        mine = (API_KEY.c.id == key, API_KEY.c.account_id == account)
        with self._database.write() as connection:
            if not connection.execute(delete(API_KEY).where(*mine)).rowcount:
                raise NotFound(what="key")
