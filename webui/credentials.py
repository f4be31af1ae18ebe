"""Names, passwords and tokens: what is acceptable, and what of them may be kept.

Passwords are kept as argon2id hashes; of tokens, which are 256 random bits, a plain SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import argon2

from backends.errors import InvalidRequest
from webui.errors import BadName, TooManyAttempts

LONGEST_NAME = 40
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024

_AT_ONCE = 2
"""A hash takes 32 MiB on purpose: many of them at the same time must not eat the machine's memory."""
_PATIENCE = 5.0
_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters and marks by their category, and yet nothing to see (Default_Ignorable_Code_Point, and empty Braille)."""
_LOOKS = str.maketrans(
    "авеікмнорстухѕјһԛԝё" "αβεζηικμνορτυχ" "1l|0",
    "abeikmhopctyxsjhqwë" "abezhikmnoptyx" "iiio",
    "\ufe0e\ufe0f",
)  # fmt: skip
"""Small letters of Cyrillic and Greek that look, small or capital, like Latin ones (from Unicode's confusables.txt)."""
_MADE_FROM = "abcdefghjkmnpqrstuvwxyz23456789"
_KEY_BYTES = 32
_TIME_COST, _MEMORY_KIB = 3, 32 * 1024


class BadPassword(InvalidRequest):
    """Too short, or longer than anybody types. Details: least, most (characters)."""

    message = "A password needs {least} to {most} characters."


def clean_name(text: str) -> str:
    """Return an account's name as it is kept: NFC, single spaces. Raises `BadName`.

    Control and invisible characters are refused: two names that look the same would be told apart by nobody.
    """
    name = " ".join(part for part in unicodedata.normalize("NFC", text).split(" ") if part)
    if not name:
        raise BadName(name=text, reason="empty")
    if len(name) > LONGEST_NAME:
        raise BadName(name=name, reason="too_long")
    if any(unicodedata.category(letter) in _FORBIDDEN or letter in _BLANK for letter in name):
        raise BadName(name=name, reason="invisible")
    if not appearance(name):
        raise BadName(name=name, reason="empty")
    return name


def name_key(name: str) -> str:
    """Return what two names must not share: case, width and the way accents are written do not count."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())


def appearance(name: str) -> str:
    """Return what the eye sees of a name, about: the same for "Anna" and for the same letters out of Cyrillic."""
    return name_key(name).translate(_LOOKS)


def check_password(password: str) -> None:
    """Raise `BadPassword` for a password that is too short, or longer than anybody types."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise BadPassword(least=SHORTEST_PASSWORD, most=LONGEST_PASSWORD)


def make_password() -> str:
    """Make a password that can be read aloud: four groups of four, 79 random bits, no letter like a digit."""
    return "-".join("".join(secrets.choice(_MADE_FROM) for _ in range(4)) for _ in range(4))


class Passwords:
    """Hashes and verifies passwords with argon2id; one attempt takes about a tenth of a second."""

    def __init__(self, *, time_cost: int = _TIME_COST, memory_kib: int = _MEMORY_KIB) -> None:
        """`time_cost` in passes over `memory_kib` KiB; what was hashed at another cost can still be verified."""
        self._hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """Return the salted hash to keep. Raises `BadPassword`, and `TooManyAttempts` when the machine is swamped."""
        check_password(password)
        with self._admitted():
            return self._hasher.hash(_normal(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Say whether a password is the kept one. Without a kept one the answer is no, after the same work.

        Raises `TooManyAttempts` when the machine is swamped.
        """
        with self._admitted():
            try:
                return self._hasher.verify(kept or self._nobody, _normal(password[:LONGEST_PASSWORD])) and bool(kept)
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return False

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if not self._room.acquire(timeout=_PATIENCE):
            raise TooManyAttempts(seconds=round(_PATIENCE))
        try:
            yield
        finally:
            self._room.release()


def _normal(password: str) -> str:
    """Keyboards differ in how they write an accent; the password is the same."""
    return unicodedata.normalize("NFKC", password)


class Tokens:
    """Makes tokens and knows its own: `<256 random bits>.<signature>`.

    The signature lets a made-up token be refused without asking the database. What makes a token valid is
    still its hash there, so that signing out, or removing an account, ends it at once.
    """

    def __init__(self, key: bytes) -> None:
        """`key` holds at least 32 random bytes and outlives the process; another key ends all sessions."""
        if len(key) < _KEY_BYTES:
            raise ValueError("the key that signs tokens must have 32 bytes")
        self._key = key

    def make(self, purpose: str) -> tuple[str, str]:
        """Make a token that is good for one purpose only; returns it and its digest."""
        secret = secrets.token_urlsafe(32)
        return f"{secret}.{self._sign(purpose, secret)}", _digest(purpose, secret)

    def digest(self, purpose: str, token: str) -> str | None:
        """Return the hash under which a token of ours is kept, 64 hexadecimal digits; None for any other text."""
        secret, _, signature = token.partition(".")
        if not token.isascii() or not hmac.compare_digest(signature, self._sign(purpose, secret)):
            return None
        return _digest(purpose, secret)

    def _sign(self, purpose: str, secret: str) -> str:
        return hmac.new(self._key, f"{purpose}:{secret}".encode(), hashlib.sha256).hexdigest()[:32]


def _digest(purpose: str, secret: str) -> str:
    return hashlib.sha256(f"{purpose}:{secret}".encode()).hexdigest()


def signing_key(path: Path) -> bytes:
    """Return the key in a file that only its owner may read; one is made when there is none, or a damaged one."""
    with suppress(FileNotFoundError):
        if len(key := path.read_bytes()) == _KEY_BYTES:
            return key
    key = secrets.token_bytes(_KEY_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(key)
    fresh.replace(path)
    return key
