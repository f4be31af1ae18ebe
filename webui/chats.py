"""What a person does with a chat but ask for text: page through versions, remove, undo, branch, rename, delete.

Nothing that was written is ever lost: taking away moves the tip or hides a message, and everything can be undone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from webui.audience import Audience
from webui.dialogue import Dialogue, Node
from webui.errors import ChatBusy, HistoryFailed, NothingToDo
from webui.history.store import History
from webui.jobs import Jobs

_STRIPES = 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and from which page (a random id that the page made up)."""

    account: int
    page: str


class Chats:
    """The chats of all accounts. Every command raises `NotFound` for a chat or message of somebody else."""

    def __init__(self, history: History, audience: Audience, jobs: Jobs) -> None:
        self._history, self._audience, self._jobs = history, audience, jobs
        self._locks = tuple(threading.RLock() for _ in range(_STRIPES))

    @contextmanager
    def turn(self, actor: Actor, chat_id: int) -> Iterator[Dialogue]:
        """Hold a chat for one command: no other command changes it meanwhile.

        Yields its dialogue. Raises `ChatBusy` while a reply is written in it. What a full disk, or another failure of
        the database, let it do by halves is undone.
        """
        with self._locks[chat_id % _STRIPES]:
            dialogue = self._history.dialogue(actor.account, chat_id)
            if self._jobs.of_chat(chat_id) is not None:
                raise ChatBusy
            try:
                yield dialogue
            except HistoryFailed:
                with suppress(HistoryFailed):
                    self._take_back(actor, chat_id, dialogue)
                raise

    def _take_back(self, actor: Actor, chat_id: int, before: Dialogue) -> None:
        self._history.set_tip(actor.account, chat_id, before.tip)
        for message in self._history.dialogue(actor.account, chat_id).nodes.keys() - before.nodes.keys():
            self._history.hide(actor.account, message)

    def page_version(self, actor: Actor, chat_id: int, message: int, step: int) -> None:
        """Read another version of a message, `step` away, and what was last said after it."""
        with self.turn(actor, chat_id) as dialogue:
            versions = dialogue.versions(node_of(dialogue, message).id)
            at = versions.index(message) + step
            if 0 <= at < len(versions):
                self._move(actor, chat_id, dialogue, dialogue.latest_leaf(versions[at]))

    def remove_last(self, actor: Actor, chat_id: int) -> None:
        """Take the last exchange off the path and give the person's text back to the input box; can be undone."""
        with self.turn(actor, chat_id) as dialogue:
            mine = next((node for node in reversed(dialogue.path) if node.role == "user"), None)
            first = mine or last_of(dialogue)
            self._move(actor, chat_id, dialogue, first.parent)
        if mine is not None:
            self._audience.input(actor.account, actor.page, chat_id, mine.content, "set")
        text = mine.content if mine is not None else ""
        undo = {"act": "tip", "id": dialogue.tip, "chat": chat_id, "text": text}
        self._audience.notice(actor.account, actor.page, "removed_last", undo=undo)

    def move_tip(self, actor: Actor, chat_id: int, message: int) -> None:
        """Read the path that ends at a message (this is how a removal is undone)."""
        with self.turn(actor, chat_id) as dialogue:
            self._move(actor, chat_id, dialogue, node_of(dialogue, message).id)

    def delete(self, actor: Actor, chat_id: int, message: int) -> None:
        """Take one message out of the path; another version of it takes its place if there is one. Can be undone.

        That version brings what was said after it. What followed the message is copied where nothing was: below the
        message before, or below a reply that nobody answered yet, but never below another question.
        """
        with self.turn(actor, chat_id) as dialogue:
            node = node_of(dialogue, message)
            self._history.hide(actor.account, node.id)
            followers = _after(dialogue, node.id) if node in dialogue.path else ()
            others = [at for at in dialogue.versions(node.id) if at != node.id]
            near = max((at for at in others if at < node.id), default=others[0] if others else node.parent)
            copied: list[int] = []
            tip = near
            if others and near is not None and (node.role == "user" or dialogue.children(near)):
                tip = dialogue.latest_leaf(near)
            elif followers:
                copied = self._copy(actor, chat_id, followers, near)
                tip = copied[-1]
            self._move(actor, chat_id, dialogue, tip)
        undo = {"act": "restore", "id": node.id, "tip": dialogue.tip, "left": tip, "copies": copied, "chat": chat_id}
        self._audience.notice(actor.account, actor.page, "deleted_message", undo=undo)

    def restore(self, actor: Actor, chat_id: int, message: int, tip: int | None, left: int | None,
                copies: Sequence[int] = ()) -> None:  # fmt: skip
        """Undo `delete`, which had moved from `tip` to `left` and made `copies`; what was said since goes along."""
        with self.turn(actor, chat_id) as dialogue:
            for at in (message, tip, left, *copies):
                if at is not None:
                    node_of(dialogue, at)
            self._history.hide(actor.account, message, hidden=False)
            here = left is None or left in ids_of(dialogue)
            since = _after(dialogue, left) if here else ()
            for at in (*copies, *(node.id for node in since)):
                self._history.hide(actor.account, at)
            again = self._copy(actor, chat_id, since, tip)
            self._move(actor, chat_id, dialogue, again[-1] if again else tip)

    def read(self, actor: Actor, chat_id: int, message: int) -> None:
        """Bring a message onto the path, and what was last said after it."""
        dialogue = self._history.dialogue(actor.account, chat_id)
        if node_of(dialogue, message).id not in ids_of(dialogue):
            with self.turn(actor, chat_id) as dialogue:
                self._move(actor, chat_id, dialogue, dialogue.latest_leaf(message))

    def branch(self, actor: Actor, chat_id: int, message: int) -> int:
        """Open a new chat that has the path up to a message; the old one stays as it is. Returns its id."""
        node = node_of(self._history.dialogue(actor.account, chat_id), message)
        title = self._history.chat(actor.account, chat_id).title
        chat = self._history.branch(actor.account, chat_id, node.id, title)
        self._audience.chat_changed(actor.account, chat.id)
        self._audience.opened(actor.account, actor.page, chat.id)
        return chat.id

    def rename(self, actor: Actor, chat_id: int, title: str) -> None:
        """Give a chat another title."""
        self._history.rename_chat(actor.account, chat_id, title)
        self._audience.chat_changed(actor.account, chat_id)

    def set_system(self, actor: Actor, chat_id: int, text: str) -> None:
        """Set what the model is told before the dialogue."""
        self._history.set_system(actor.account, chat_id, text)
        self._audience.system_changed(chat_id, text)
        self._audience.meter_changed(chat_id)

    def delete_chat(self, actor: Actor, chat_id: int) -> None:
        """Take a chat off the list; can be undone. A reply that is being written in it ends."""
        title = self._history.chat(actor.account, chat_id).title
        if (job := self._jobs.of_chat(chat_id)) is not None:
            job.stop()
        self._history.delete_chat(actor.account, chat_id)
        self._audience.chat_gone(actor.account, chat_id)
        undo = {"act": "restore-chat", "chat": chat_id}
        self._audience.notice(actor.account, actor.page, "deleted_chat", {"title": title}, undo=undo)

    def restore_chat(self, actor: Actor, chat_id: int) -> None:
        """Undo `delete_chat`."""
        self._history.restore_chat(actor.account, chat_id)
        self._audience.chat_changed(actor.account, chat_id)
        self._audience.opened(actor.account, actor.page, chat_id)

    def _copy(self, actor: Actor, chat_id: int, nodes: Sequence[Node], below: int | None) -> list[int]:
        """Write a row of messages once more below another one; returns their ids."""
        made: list[int] = []
        for node in nodes:
            below = self._history.add_message(
                actor.account, chat_id, below, node.role, node.content,
                reasoning=node.reasoning, state=node.state, made=node.made,
            ).id  # fmt: skip
            self._history.copy_choices(node.id, below)
            made.append(below)
        return made

    def _move(self, actor: Actor, chat_id: int, before: Dialogue, tip: int | None) -> None:
        self._history.set_tip(actor.account, chat_id, tip)
        after = self._history.dialogue(actor.account, chat_id)
        self._audience.path_changed(actor.account, chat_id, ids_of(before), after)
        self._audience.meter_changed(chat_id)


def node_of(dialogue: Dialogue, message: int) -> Node:
    """Return a message of a dialogue. Raises `NothingToDo` if it is not there."""
    if (node := dialogue.nodes.get(message)) is None:
        raise NothingToDo(reason="no_message")
    return node


def last_of(dialogue: Dialogue) -> Node:
    """Return the last message of the path. Raises `NothingToDo` for an empty one."""
    if not dialogue.path:
        raise NothingToDo(reason="empty")
    return dialogue.path[-1]


def _after(dialogue: Dialogue, message: int | None) -> tuple[Node, ...]:
    """Return what follows a message of the path; None stands before the first."""
    return dialogue.path if message is None else dialogue.path[ids_of(dialogue).index(message) + 1 :]


def ids_of(dialogue: Dialogue) -> tuple[int, ...]:
    """Return the ids of the path's messages."""
    return tuple(node.id for node in dialogue.path)
