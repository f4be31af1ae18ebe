"""Accounts, sessions and invitations in SQL: the `PeopleStore` of `webui.accounts`.

A removed account stays as a row without a name, so that its id is never given again; nobody can reach its chats.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from webui.errors import BadName, InvitationInvalid, NotFound
from webui.history.connection import Database
from webui.history.tables import ACCOUNT, API_KEY, CHAT, INVITATION, SESSION
from webui.history.values import Person

_PERSON = (ACCOUNT.c.id, ACCOUNT.c.name, ACCOUNT.c.owner, ACCOUNT.c.password_hash)


class People:
    """The people of one database. Every method is one transaction and may be called from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """`clock` says what is outdated where no method is told the time."""
        self._database, self._clock = database, clock

    def people(self) -> list[Person]:
        """Return all accounts, the owner first, then the oldest."""
        with self._database.read() as connection:
            rows = connection.execute(_here().order_by(ACCOUNT.c.owner.desc(), ACCOUNT.c.id)).all()
        return [_person(row) for row in rows]

    def person(self, account: int) -> Person | None:
        """Return the account of an id."""
        return self._first(_here().where(ACCOUNT.c.id == account))

    def person_by_key(self, key: str) -> Person | None:
        """Return the account whose `name_key` is `key`."""
        return self._first(_here().where(ACCOUNT.c.key == key))

    def rename_person(self, account: int, name: str, key: str) -> None:
        """Give an account another name. Raises `BadName` (taken), `NotFound`."""
        try:
            with self._database.write() as connection:
                _change(connection, account, name=name, key=key)
        except IntegrityError as error:
            raise BadName(name=name, reason="taken") from error

    def set_password_hash(self, account: int, password_hash: str) -> None:
        """Keep another password hash and end all of the account's sessions. Raises `NotFound`."""
        with self._database.write() as connection:
            _change(connection, account, password_hash=password_hash)
            _end_sessions(connection, account)

    def remove_person(self, account: int) -> None:
        """Take an account away with its sessions, keys and chats, and free its name. Raises `NotFound`."""
        now = self._clock()
        with self._database.write() as connection:
            _change(connection, account, name="", key=None, password_hash="", removed=now)
            _end_sessions(connection, account)
            connection.execute(delete(API_KEY).where(API_KEY.c.account_id == account))
            connection.execute(update(CHAT).where(CHAT.c.account_id == account).values(deleted=now))

    def open_session(self, account: int, digest: str, expires: float) -> None:
        """Keep a session; outdated ones are swept out. Raises `NotFound` (account)."""
        now = self._clock()
        with self._database.write() as connection:
            if connection.execute(_here().where(ACCOUNT.c.id == account)).first() is None:
                raise NotFound(what="account")
            connection.execute(delete(SESSION).where(SESSION.c.expires <= now))
            values = {"digest": digest, "account_id": account, "created": now, "expires": expires}
            connection.execute(insert(SESSION).values(values))

    def person_of_session(self, digest: str, now: float) -> Person | None:
        """Return the account of a session that has not ended."""
        session = _here().join(SESSION, SESSION.c.account_id == ACCOUNT.c.id)
        return self._first(session.where(SESSION.c.digest == digest, SESSION.c.expires > now))

    def close_session(self, digest: str) -> None:
        """End a session, if there is one."""
        with self._database.write() as connection:
            connection.execute(delete(SESSION).where(SESSION.c.digest == digest))

    def add_invitation(self, digest: str, expires: float) -> None:
        """Keep an invitation; outdated ones are swept out."""
        now = self._clock()
        with self._database.write() as connection:
            connection.execute(delete(INVITATION).where(INVITATION.c.expires <= now))
            connection.execute(insert(INVITATION).values(digest=digest, created=now, expires=expires))

    def invitation_is_open(self, digest: str, now: float) -> bool:
        """Whether an invitation is there, unused and not outdated."""
        with self._database.read() as connection:
            return _is_open(connection, digest, now)

    def accept_invitation(self, digest: str, now: float, name: str, key: str, password_hash: str) -> Person:
        """Make an account and use the invitation up, both or neither. Raises `InvitationInvalid`, `BadName` (taken)."""
        try:
            with self._database.write() as connection:
                if not _is_open(connection, digest, now):
                    raise InvitationInvalid
                values = {"name": name, "key": key, "owner": False, "password_hash": password_hash, "created": now}
                row = connection.execute(insert(ACCOUNT).values(values).returning(*_PERSON)).one()
                mine = (INVITATION.c.digest == digest, INVITATION.c.account_id.is_(None))
                # Where there are several writers at a time, another guest may have come first.
                if not connection.execute(update(INVITATION).where(*mine).values(account_id=row.id)).rowcount:
                    raise InvitationInvalid
        except IntegrityError as error:
            raise BadName(name=name, reason="taken") from error
        return _person(row)

    def _first(self, statement: Select[Any]) -> Person | None:
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _person(row)


def _here() -> Select[Any]:
    return select(*_PERSON).where(ACCOUNT.c.removed.is_(None))


def _change(connection: Connection, account: int, **values: Any) -> None:
    there = (ACCOUNT.c.id == account, ACCOUNT.c.removed.is_(None))
    if not connection.execute(update(ACCOUNT).where(*there).values(values)).rowcount:
        raise NotFound(what="account")


def _end_sessions(connection: Connection, account: int) -> None:
    connection.execute(delete(SESSION).where(SESSION.c.account_id == account))


def _is_open(connection: Connection, digest: str, now: float) -> bool:
    unused = (INVITATION.c.digest == digest, INVITATION.c.account_id.is_(None), INVITATION.c.expires > now)
    return connection.execute(select(INVITATION.c.digest).where(*unused)).first() is not None


def _person(row: Row[Any]) -> Person:
    return Person(row.id, row.name, row.owner, row.password_hash)
