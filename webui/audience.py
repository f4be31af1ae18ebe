"""Who is told when something of a chat changed: the pages, through the live channel. Called from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from webui.dialogue import Dialogue
from webui.job import Job


class Audience(Protocol):
    """What `Chats` tells: an account's pages of its chats, a chat's pages of its dialogue, one page of its input."""

    def chat_changed(self, account: int, chat: int) -> None:
        """Tell that a chat is new, renamed, busy, idle or has new words."""

    def chat_gone(self, account: int, chat: int) -> None:
        """Tell that a chat left the list."""

    def path_changed(self, account: int, chat: int, before: tuple[int, ...], after: Dialogue) -> None:
        """Tell that another path is read; `before` holds the ids of the one that was."""

    def message_changed(self, account: int, chat: int, message: int) -> None:
        """Tell that a message on the path has another state or text."""

    def status_changed(self, job: Job) -> None:
        """Tell that a job began, went on to another phase, or is over."""

    def wrote(self, job: Job) -> None:
        """Tell that a job has more text to take."""

    def meter_changed(self, chat: int) -> None:
        """Tell that the window is filled otherwise."""

    def opened(self, account: int, page: str, chat: int) -> None:
        """Ask a page to show a chat."""

    def system_changed(self, chat: int, text: str) -> None:
        """Tell that the model is told something else before a dialogue."""

    def input(self, account: int, page: str, chat: int, text: str, mode: Literal["set", "append"]) -> None:
        """Put text into a page's input box of a chat."""

    def notice(self, account: int, page: str, code: str, details: Mapping[str, Any] | None = None,
               undo: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        """Show a short notice on a page; `undo` is the action that its button asks for."""
