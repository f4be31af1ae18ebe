"""The history: chats, their trees of messages, settings, token counts, people, and the search over it.

Every method is one short transaction and may be called from any thread. Values go in and out, never rows. Whatever
belongs to another account, or does not exist, or was deleted, raises `NotFound`; see `connection` for the errors of
the database itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from backends.values import Role
from webui.dialogue import Dialogue, Made, Node, State
from webui.errors import BadName
from webui.history import chats, choices, counts, messages, settings
from webui.history.connection import Database
from webui.history.keys import Keys
from webui.history.made import read_made, write_made
from webui.history.migrations import migrate
from webui.history.people import People
from webui.history.search import search
from webui.history.text import clean_title, storable
from webui.history.trees import Trees
from webui.history.values import Chat, Hit, Stretch

__all__ = ["Chat", "History", "Hit"]

_KEPT_MADE = 8192
"""About a kilobyte each."""


class History:
    """What was said, by all accounts. Account 1, the owner, is always there."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        """Open the database at a SQLAlchemy URL and bring it up to date. Raises `HistoryFailed`."""
        self._database, self._clock = Database(url), clock
        self._people = People(self._database, clock)
        self._keys = Keys(self._database, clock)
        # Reading these is half of the work of reading a long dialogue.
        self._trees = Trees(lru_cache(_KEPT_MADE)(read_made))
        try:
            migrate(self._database)
        except BaseException:
            self._database.close()
            raise

    @property
    def people(self) -> People:
        """The accounts, sessions and invitations of the same database."""
        return self._people

    @property
    def keys(self) -> Keys:
        """The API keys of the same database."""
        return self._keys

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def create_chat(self, account: int, title: str, system: str = "") -> Chat:
        """Make an empty chat; its title is cleaned as in `rename_chat`."""
        with self._database.write() as connection:
            return chats.create(connection, account, title, system, self._clock())

    def chats(self, account: int, limit: int = 200, before: float | None = None) -> list[Chat]:
        """Return the chats, the last used first; with `before`, those last used earlier than that."""
        with self._database.read() as connection:
            return chats.listed(connection, account, limit, before)

    def chat(self, account: int, chat: int) -> Chat:
        """Return one chat."""
        with self._database.read() as connection:
            return chats.find(connection, account, chat)

    def rename_chat(self, account: int, chat: int, title: str) -> None:
        """Give a chat a title: one line of at most 200 characters, without control characters. Raises `BadName`."""
        cleaned = clean_title(title)
        if not cleaned:
            raise BadName(name=title[:200], reason="empty")
        self._change_chat(account, chat, title=cleaned)

    def set_system(self, account: int, chat: int, text: str) -> None:
        """Set what the model is told before the dialogue."""
        self._change_chat(account, chat, system=storable(text))

    def delete_chat(self, account: int, chat: int) -> None:
        """Take a chat away until `restore_chat`; nothing of it is lost."""
        self._change_chat(account, chat, deleted_too=True, deleted=self._clock())

    def restore_chat(self, account: int, chat: int) -> None:
        """Undo `delete_chat`."""
        self._change_chat(account, chat, deleted_too=True, deleted=None)

    def branch(self, account: int, chat: int, message: int, title: str) -> Chat:
        """Make a chat that has the path up to a message of another chat's tree."""
        with self._database.write() as connection:
            return chats.branch(connection, account, chat, message, title, self._clock())

    def set_tip(self, account: int, chat: int, message: int | None) -> None:
        """Let a chat end with a message of its tree, or be empty."""
        with self._database.write() as connection:
            found = chats.find(connection, account, chat)
            if message is not None:
                messages.check_in_tree(connection, found.tree, message)
            chats.change(connection, account, chat, tip_id=message)

    def shared_tip(self, account: int, chat: int, message: int) -> bool:
        """Whether another chat of the tree, not deleted, has a message on its path."""
        with self._database.read() as connection:
            found = chats.find(connection, account, chat)
            messages.check_in_tree(connection, found.tree, message)
            return chats.is_shared(connection, found, message)

    def dialogue(self, account: int, chat: int) -> Dialogue:
        """Return the whole tree of a chat, and its tip."""
        with self._database.read() as connection:
            return self._trees.dialogue(connection, account, chat)

    def add_message(self, account: int, chat: int, parent: int | None, role: Role, content: str, *,
                    reasoning: str = "", state: State = "done", made: Made | None = None,
                    move_tip: bool = True) -> Node:  # fmt: skip
        """Add a message below another one of the tree, or as a root, and mostly let the chat end with it."""
        now = self._clock()
        with self._database.write() as connection:
            found = chats.find(connection, account, chat)
            node = messages.add(connection, account, found, parent, role, content, reasoning, state, made, now)
            chats.change(connection, account, chat, updated=now, tip_id=node.id if move_tip else found.tip)
            change = self._trees.changed(connection, node.id)
        self._trees.apply(change)
        return node

    def hide(self, account: int, message: int, hidden: bool = True) -> None:
        """Take a message out of the versions and out of the search, or bring it back."""
        with self._database.write() as connection:
            messages.change(connection, message, account, hidden=hidden)
            change = self._trees.changed(connection, message)
        self._trees.apply(change)

    def begin_draft(self, message: int) -> None:
        """Say that a message is being written (on)."""
        with self._database.write() as connection:
            messages.change(connection, message, state="writing")
            counts.forget(connection, message)
            change = self._trees.changed(connection, message)
        self._trees.apply(change)

    def save_draft(self, message: int, text: str, reasoning: str) -> None:
        """Keep the text so far; nothing happens unless the message is being written."""
        with self._database.write() as connection:
            if not messages.save_draft(connection, message, text, reasoning):
                return
            change = self._trees.changed(connection, message)
        self._trees.apply(change)

    def finish(self, message: int, text: str, reasoning: str, state: State, made: Made | None,
               weighed: Stretch | None = None) -> None:  # fmt: skip
        """Keep a message as it ended, and what was weighed for the tokens that came to it."""
        content, reasoning, kept = storable(text), storable(reasoning), write_made(made)
        with self._database.write() as connection:
            messages.change(connection, message, content=content, reasoning=reasoning, state=state, made=kept)
            counts.forget(connection, message)
            if weighed is not None:
                choices.add(connection, message, weighed)
            change = self._trees.changed(connection, message)
        self._trees.apply(change)

    def choices(self, account: int, message: int) -> tuple[Stretch, ...]:
        """Return what was weighed at the tokens of a message, as far as it was asked for."""
        with self._database.read() as connection:
            return choices.read(connection, account, message)

    def copy_choices(self, source: int, target: int) -> None:
        """Give a message that is a copy of another what was weighed there."""
        with self._database.write() as connection:
            choices.copy(connection, source, target)

    def mark_cut(self) -> None:
        """Mark what a server that was killed left unfinished; to be called before anything is written."""
        with self._database.write() as connection:
            messages.mark_cut(connection)

    def search(self, account: int, text: str, limit: int) -> list[Hit]:
        """Return where the words of a text stand: titles first, then messages, each the newest first.

        Nothing in the text is an operator. A word is found by its beginning, its ending does not count.
        """
        with self._database.read() as connection:
            return search(connection, account, text, limit)

    def setting(self, account: int, key: str, default: Any) -> Any:
        """Return a setting (what JSON can hold), `default` where there is none."""
        with self._database.read() as connection:
            return settings.read(connection, account, key, default)

    def set_setting(self, account: int, key: str, value: Any) -> None:
        """Keep a setting."""
        with self._database.write() as connection:
            settings.write(connection, account, key, value)

    def counts(self, ids: Iterable[int], tokenizer: str) -> dict[int, int]:
        """Return what messages cost in tokens of a tokenizer, as far as it is known."""
        with self._database.read() as connection:
            return counts.read(connection, ids, tokenizer)

    def save_counts(self, costs: Mapping[int, int], tokenizer: str) -> None:
        """Keep what messages cost; those that do not exist are left out."""
        with self._database.write() as connection:
            counts.write(connection, costs, tokenizer)

    def _change_chat(self, account: int, chat: int, deleted_too: bool = False, **values: Any) -> None:
        with self._database.write() as connection:
            chats.change(connection, account, chat, deleted_too, **values)
