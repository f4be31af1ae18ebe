"""The people of a test, in memory: what `PeopleStore` promises, and nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from webui.errors import BadName, InvitationInvalid, NotFound


@dataclass(frozen=True)
class FakePerson:
    id: int
    name: str
    key: str
    owner: bool
    password_hash: str


class FakePeople:
    """`asked` counts the calls, to show what touches the database."""

    def __init__(self) -> None:
        self._people = {1: FakePerson(1, "", "", True, "")}
        self._sessions: dict[str, tuple[int, float]] = {}
        self._invitations: dict[str, float] = {}
        self._lock = threading.RLock()
        self.asked = 0

    def people(self) -> list[FakePerson]:
        self.asked += 1
        return list(self._people.values())

    def person(self, account: int) -> FakePerson | None:
        self.asked += 1
        return self._people.get(account)

    def person_by_key(self, key: str) -> FakePerson | None:
        self.asked += 1
        return next((person for person in self._people.values() if person.key == key), None)

    def rename_person(self, account: int, name: str, key: str) -> None:
        with self._lock:
            if any(person.key == key and person.id != account for person in self._people.values()):
                raise BadName(name=name, reason="taken")
            self._people[account] = replace(self._there(account), name=name, key=key)

    def set_password_hash(self, account: int, password_hash: str) -> None:
        with self._lock:
            self._people[account] = replace(self._there(account), password_hash=password_hash)
            self._sessions = {digest: kept for digest, kept in self._sessions.items() if kept[0] != account}

    def remove_person(self, account: int) -> None:
        with self._lock:
            del self._people[self._there(account).id]
            self._sessions = {digest: kept for digest, kept in self._sessions.items() if kept[0] != account}

    def open_session(self, account: int, digest: str, expires: float) -> None:
        self._sessions[digest] = (self._there(account).id, expires)

    def person_of_session(self, digest: str, now: float) -> FakePerson | None:
        self.asked += 1
        account, expires = self._sessions.get(digest, (0, 0.0))
        return self._people.get(account) if now < expires else None

    def close_session(self, digest: str) -> None:
        self._sessions.pop(digest, None)

    def add_invitation(self, digest: str, expires: float) -> None:
        self._invitations[digest] = expires

    def invitation_is_open(self, digest: str, now: float) -> bool:
        return now < self._invitations.get(digest, 0.0)

    def accept_invitation(self, digest: str, now: float, name: str, key: str, password_hash: str) -> FakePerson:
        with self._lock:
            if not self.invitation_is_open(digest, now):
                raise InvitationInvalid
            if self.person_by_key(key):
                raise BadName(name=name, reason="taken")
            del self._invitations[digest]
            person = FakePerson(max(self._people) + 1, name, key, False, password_hash)
            self._people[person.id] = person
            return person

    def _there(self, account: int) -> FakePerson:
        if account not in self._people:
            raise NotFound(what="account")
        return self._people[account]
