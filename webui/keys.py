"""API keys: how programs show whom they work for. A key is shown once; its SHA-256 is kept.

A key is 256 random bits, so a plain digest is enough, and it stays good when the key that signs cookies changes.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from webui.accounts import OWNER_ID, Account, Accounts
from webui.credentials import clean_name
from webui.history.keys import Keys
from webui.history.store import History
from webui.history.values import ApiKey

PREFIX = "samovar-"
FIRST_KEY_SETTING = "first_key"
"""The key of the owner's setting that says that the first key was made, whatever became of it."""
_HINT = 4


class ApiKeys:
    """The API keys of one server. All methods may be called from any thread; they block."""

    def __init__(self, history: History, accounts: Accounts) -> None:
        self._history, self._accounts = history, accounts
        self._keys: Keys = history.keys

    def make(self, account: int, label: str = "") -> str:
        """Make a key and return it, never to be seen again. Raises `BadName` for the label, `NotFound`."""
        label = clean_name(label) if label.strip() else ""
        key = PREFIX + secrets.token_urlsafe(32)
        self._keys.add(account, _digest(key), label, key[-_HINT:])
        return key

    def account_of(self, key: str) -> Account | None:
        """Return whose key this is, None if it is nobody's."""
        if not key.startswith(PREFIX):
            return None
        account = self._keys.account_of(_digest(key))
        return None if account is None else self._accounts.account(account)

    def of(self, account: int) -> Sequence[ApiKey]:
        """Return the keys of an account, the oldest first."""
        return self._keys.of_account(account)

    def revoke(self, account: int, key: int) -> None:
        """End a key at once. Raises `NotFound` for one that is not the account's."""
        self._keys.remove(account, key)

    def prepare_first(self) -> str | None:
        """Make the owner's first key, once in the life of a house; return it if it was made now."""
        if self._history.setting(OWNER_ID, FIRST_KEY_SETTING, False):
            return None
        key = self.make(OWNER_ID)
        self._history.set_setting(OWNER_ID, FIRST_KEY_SETTING, True)
        return key


def _digest(key: str) -> str:
    return hashlib.sha256(f"api_key:{key}".encode()).hexdigest()
