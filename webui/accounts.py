"""Who there is, who is signed in, and who may come: accounts, sessions and invitations.

A session cookie holds a random token, signed so that a forgery is refused without the database; the database keeps its
SHA-256, so that signing out and removing an account take effect at once. Account 1 is the owner.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from webui.attempts import Attempts
from webui.credentials import Passwords, Tokens, appearance, clean_name, make_password, name_key
from webui.errors import BadName, InvitationInvalid, NotFound, SignInFailed

SESSION_COOKIE = "samovar_session"
SESSION_SECONDS = 30 * 24 * 3600
INVITATION_SECONDS = 7 * 24 * 3600
OWNER_ID = 1

_REMEMBERED_SECONDS = 15.0
_REMEMBERED = 1024
_SESSION, _INVITATION = "session", "invitation"


@dataclass(frozen=True, slots=True)
class Account:
    """One person. Chats, presets and keys belong to the `id`."""

    id: int
    name: str
    owner: bool


OWNER = Account(OWNER_ID, "", True)
"""Who is meant at home, where nobody signs in."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the owner hands to a guest: good for one account until `expires`, in seconds since the epoch."""

    token: str
    expires: float


class Person(Protocol):
    """An account as it is kept; `password_hash` is empty until a password is set."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def owner(self) -> bool: ...  # noqa: D102
    @property
    def password_hash(self) -> str: ...  # noqa: D102


class PeopleStore(Protocol):
    """The tables of accounts, sessions and invitations; times in seconds since the epoch, digests in hexadecimal.

    Every method is one transaction and may be called from any thread.
    """

    def people(self) -> Sequence[Person]:
        """All accounts, the owner first, then the oldest."""

    def person(self, account: int) -> Person | None:
        """The account of an id."""

    def person_by_key(self, key: str) -> Person | None:
        """The account whose `name_key` is `key`."""

    def rename_person(self, account: int, name: str, key: str) -> None:
        """Give an account another name. Raises `BadName` (taken)."""

    def set_password_hash(self, account: int, password_hash: str) -> None:
        """Keep another password hash and end all of the account's sessions."""

    def remove_person(self, account: int) -> None:
        """Remove an account with its sessions, keys and chats."""

    def open_session(self, account: int, digest: str, expires: float) -> None:
        """Keep a session; outdated ones are swept out."""

    def person_of_session(self, digest: str, now: float) -> Person | None:
        """The account of a session that has not ended."""

    def close_session(self, digest: str) -> None:
        """End a session, if there is one."""

    def add_invitation(self, digest: str, expires: float) -> None:
        """Keep an invitation; outdated ones are swept out."""

    def invitation_is_open(self, digest: str, now: float) -> bool:
        """Whether an invitation is there, unused and not outdated."""

    def accept_invitation(self, digest: str, now: float, name: str, key: str, password_hash: str) -> Person:
        """Make an account and use the invitation up, both or neither. Raises `InvitationInvalid`, `BadName` (taken)."""


class Accounts:
    """The people of one server. All methods may be called from any thread; most of them block."""

    def __init__(
        self,
        store: PeopleStore,
        key: bytes,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        passwords: Passwords | None = None,
    ) -> None:
        """`key` signs tokens (see `signing_key`); the clocks are settable for tests."""
        self._store, self._tokens = store, Tokens(key)
        self._clock, self._monotonic = clock, monotonic
        self._passwords = passwords or Passwords()
        self._attempts = Attempts(monotonic)
        self._remembered: OrderedDict[str, tuple[Account, float]] = OrderedDict()
        self._era = 0
        self._told: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def prepare_owner(self, name: str, password: str = "") -> str | None:
        """Make sure that the owner can sign in; returns the password to print, if one had to be made.

        A given `password` becomes the owner's. `name` is used while the owner has none. Raises `BadPassword`.
        """
        owner = self._person(OWNER_ID)
        if not owner.name:
            self._name_owner(name)
        made = None if password or owner.password_hash else make_password()
        new = password or made
        if new and not (owner.password_hash and self._passwords.matches(owner.password_hash, new)):
            self._store.set_password_hash(OWNER_ID, self._passwords.hash(new))
        return made

    def sign_in(self, name: str, password: str, address: str) -> str:
        """Return a new session's token. Raises `SignInFailed` and `TooManyAttempts`.

        `address` is the visitor's IP address. An unknown name takes as long as a wrong password.
        """
        key = name_key(name[:100])
        self._attempts.begin(key, address)
        person = self._store.person_by_key(key)
        if not self._passwords.matches(person.password_hash if person else None, password) or person is None:
            raise SignInFailed
        self._attempts.succeeded(key, address)
        return self._open(person.id)

    def sign_out(self, token: str) -> None:
        """End a session; an unknown token is no error."""
        if digest := self._tokens.digest(_SESSION, token):
            self._store.close_session(digest)
            self._forget()

    def remembered(self, token: str) -> Account | None:
        """Return whose session this is if it was asked a moment ago; never blocks. None says nothing."""
        with self._lock:
            account, until = self._remembered.get(token, (None, 0.0))
            return account if self._monotonic() < until else None

    def account_of(self, token: str) -> Account | None:
        """Return whose session this is, None if it is nobody's or over. Asks the database every 15 s at most."""
        if account := self.remembered(token):
            return account
        digest = self._tokens.digest(_SESSION, token)
        if digest is None:
            return None
        era = self._era
        person = self._store.person_of_session(digest, self._clock())
        if person is None:
            return None
        account = _account(person)
        with self._lock:
            # A session that was ended while we asked must not be remembered.
            if era == self._era:
                self._remembered[token] = (account, self._monotonic() + _REMEMBERED_SECONDS)
                while len(self._remembered) > _REMEMBERED:
                    self._remembered.popitem(last=False)
        return account

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell`, from any thread, whenever sessions have ended while the block runs; it must not block."""
        with self._lock:
            self._told.append(tell)
        try:
            yield
        finally:
            with self._lock:
                self._told.remove(tell)

    def everyone(self) -> list[Account]:
        """Return everybody, the owner first."""
        return [_account(person) for person in self._store.people()]

    def account(self, account: int) -> Account | None:
        """Return the account of an id, None if there is none, or no longer."""
        person = self._store.person(account)
        return None if person is None else _account(person)

    def invite(self, by: Account) -> Invitation:
        """Make an invitation for one guest. Raises `NotFound` unless the owner asks."""
        _owner_only(by)
        token, digest = self._tokens.make(_INVITATION)
        expires = self._clock() + INVITATION_SECONDS
        self._store.add_invitation(digest, expires)
        return Invitation(token, expires)

    def invitation_is_open(self, token: str) -> bool:
        """Say whether `accept` would take this invitation now."""
        digest = self._tokens.digest(_INVITATION, token)
        return digest is not None and self._store.invitation_is_open(digest, self._clock())

    def accept(self, token: str, name: str, password: str) -> str:
        """Make the guest's account and return their session's token; the invitation is used up by it.

        Raises `InvitationInvalid`, `BadName`, `BadPassword`; after the last two the invitation is still good.
        """
        digest = self._tokens.digest(_INVITATION, token)
        if digest is None or not self._store.invitation_is_open(digest, self._clock()):
            raise InvitationInvalid
        name = clean_name(name)
        if any(appearance(person.name) == appearance(name) for person in self._store.people()):
            raise BadName(name=name, reason="taken")
        hashed = self._passwords.hash(password)
        person = self._store.accept_invitation(digest, self._clock(), name, name_key(name), hashed)
        return self._open(person.id)

    def set_password(self, account: Account, old: str, new: str, address: str) -> str:
        """Change one's own password, end all one's sessions and return the token of a new one.

        Raises `SignInFailed` when `old` is wrong, `TooManyAttempts`, `BadPassword`.
        """
        person = self._person(account.id)
        key = name_key(person.name)
        self._attempts.begin(key, address)
        if not self._passwords.matches(person.password_hash, old):
            raise SignInFailed
        self._attempts.succeeded(key, address)
        self._store.set_password_hash(person.id, self._passwords.hash(new))
        self._forget()
        return self._open(person.id)

    def remove(self, by: Account, account: int) -> None:
        """Remove a guest with everything that is theirs. Raises `NotFound` unless the owner asks, or for the owner."""
        _owner_only(by)
        if account == OWNER_ID:
            raise NotFound(what="account")
        self._person(account)
        self._store.remove_person(account)
        self._forget()

    def _name_owner(self, name: str) -> None:
        try:
            name = clean_name(name)
        except BadName:
            name = "Owner"
        self._store.rename_person(OWNER_ID, name, name_key(name))

    def _open(self, account: int) -> str:
        token, digest = self._tokens.make(_SESSION)
        self._store.open_session(account, digest, self._clock() + SESSION_SECONDS)
        return token

    def _person(self, account: int) -> Person:
        person = self._store.person(account)
        if person is None:
            raise NotFound(what="account")
        return person

    def _forget(self) -> None:
        with self._lock:
            self._era += 1
            self._remembered.clear()
            told = tuple(self._told)
        for tell in told:
            tell()


def _account(person: Person) -> Account:
    return Account(person.id, person.name, person.owner)


def _owner_only(account: Account) -> None:
    if not account.owner:
        raise NotFound(what="people")
