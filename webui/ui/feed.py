"""The `Audience` made of pages: turns what changed into patches on the live channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from webui.dialogue import Dialogue
from webui.errors import NotFound
from webui.history.store import History
from webui.job import Job
from webui.jobs import Jobs
from webui.live import ALL_PAGES, Live, Patch, Subscription, account_topic, chat_topic, page_topic, ready
from webui.loader import LoaderState
from webui.ui import i18n, views
from webui.ui.markdown import MarkdownStream
from webui.ui.structured import LONGEST, begins, unfinished
from webui.ui.views import Views

_WHOLE_PATH = 40
"""A change of more messages than this is sent as a new transcript."""


@dataclass
class _Writing:
    """The page's side of a reply being written. Used by the event loop's thread alone.

    What looks like JSON is held back from Markdown, which would make a mess of it, and shown as it stands.
    """

    stream: MarkdownStream = field(default_factory=MarkdownStream)
    closed: list[str] = field(default_factory=list)
    open: str = ""
    text: str = ""
    held: str = ""
    reasoning: str = ""

    def feed(self, pieces: list[tuple[str, bool]]) -> None:
        fresh = "".join(text for text, reasoning in pieces if not reasoning)
        self.reasoning += "".join(text for text, reasoning in pieces if reasoning)
        if fresh:
            self.text += fresh
            self.held += fresh
            if begins(self.text) and len(self.text) <= LONGEST:
                self.open = unfinished(self.held)
                return
            closed, self.open = self.stream.feed(self.held)
            self.closed += closed
            self.held = ""

    def patch(self, job: Job, start: int) -> Patch:
        """Return what was written from the closed block `start` on, with what a beam search has so far behind it."""
        found = job.searching
        return {
            "kind": "writing", "id": job.message, "from": start, "closed": self.closed[start:], "tokens": job.tokens,
            "open": self._preview(found.text) if found else self.open,
            "reasoning": self.reasoning + (found.reasoning if found else ""),
        }  # fmt: skip

    def _preview(self, text: str) -> str:
        return unfinished(self.held + text) if self.held else self.stream.preview(text)


class Feed:
    """See `Audience`; `jobs` is given after the fact, as the jobs report to this."""

    def __init__(self, history: History, live: Live, shown: Views) -> None:
        self._history, self._live, self.views = history, live, shown
        self._writing: dict[Job, _Writing] = {}
        self.jobs: Jobs | None = None

    def chat_changed(self, account: int, chat: int) -> None:
        """See `Audience.chat_changed`."""

        def build(_: Subscription) -> Patch | None:
            try:
                value = self._history.chat(account, chat)
            except NotFound:
                return None
            return {"kind": "chat", **views.chat(value, self._job(chat) is not None)}

        self._live.publish(account_topic(account), ("chat", chat), build)

    def chat_gone(self, account: int, chat: int) -> None:
        """See `Audience.chat_gone`."""
        self._live.publish(account_topic(account), ("chat", chat), ready({"kind": "chat-gone", "id": chat}))

    def path_changed(self, account: int, chat: int, before: tuple[int, ...], after: Dialogue) -> None:
        """See `Audience.path_changed`."""
        ids = [node.id for node in after.path]
        were, are = set(before), set(ids)
        gone = [at for at in before if at not in are]
        fresh = [at for at in ids if at not in were]
        if len(gone) + len(fresh) > _WHOLE_PATH:
            self._live.publish(chat_topic(chat), ("dialogue",), lambda page: self._whole(page, account, chat))
            return
        for message in gone:
            self._live.publish(chat_topic(chat), ("article", message), ready({"kind": "gone", "id": message}))
        for message in fresh:
            self.message_changed(account, chat, message)

    def message_changed(self, account: int, chat: int, message: int) -> None:
        """See `Audience.message_changed`."""

        def build(page: Subscription) -> list[Patch] | None:
            try:
                dialogue = self._history.dialogue(account, chat)
            except NotFound:
                return None  # the chat was deleted while its reply was written
            ids = [node.id for node in dialogue.path]
            if message not in ids:
                return None
            at = ids.index(message)
            article = self.views.article(dialogue, dialogue.nodes[message], page.language)
            page.blocks_sent.pop(message, None)
            patch = {"kind": "article", "article": article, "after": ids[at - 1] if at else None}
            return [patch, *self.writing(page, chat)]

        self._live.publish(chat_topic(chat), ("article", message), build)

    def status_changed(self, job: Job) -> None:
        """See `Audience.status_changed`."""
        if job.chat is not None:
            chat = job.chat
            self._live.publish(chat_topic(chat), ("status",), lambda at: views.status(self._job(chat), at.language))
        else:
            topic = page_topic(job.account, job.page)
            self._live.publish(topic, ("status",), lambda at: views.status(self._page_job(job), at.language))
        if self._job(job.chat) is not job and self._page_job(job) is not job:
            self._writing.pop(job, None)

    def wrote(self, job: Job) -> None:
        """See `Audience.wrote`."""
        if job.message is None:
            self._live.publish(page_topic(job.account, job.page), ("input",), lambda _: _typed(job))
        elif job.chat is not None:
            chat = job.chat
            self._live.publish(chat_topic(chat), ("writing", job.message), lambda page: self.writing(page, chat))

    def writing(self, page: Subscription, chat: int) -> list[Patch]:
        """Return what a page has yet to see of the reply that is being written in a chat."""
        job = self._job(chat)
        if job is None or job.message is None:
            return []
        seen = self._writing.get(job)
        if seen is None:
            seen = self._writing[job] = _Writing()
            seen.feed([(job.base, False), (job.base_reasoning, True)])
        seen.feed(job.take())
        start = min(page.blocks_sent.get(job.message, 0), len(seen.closed))
        page.blocks_sent[job.message] = len(seen.closed)
        return [seen.patch(job, start)]

    def meter_changed(self, chat: int) -> None:
        """See `Audience.meter_changed`."""
        self._live.publish(chat_topic(chat), ("meter",), lambda page: page.measure())

    def opened(self, account: int, page: str, chat: int) -> None:
        """See `Audience.opened`."""
        self._live.publish(page_topic(account, page), ("goto",), ready({"kind": "goto", "chat": chat}))

    def system_changed(self, chat: int, text: str) -> None:
        """See `Audience.system_changed`."""
        patch = {"kind": "system", "chat": chat, "text": text}
        self._live.publish(chat_topic(chat), ("system",), ready(patch))

    def input(self, account: int, page: str, chat: int, text: str, mode: Literal["set", "append"]) -> None:
        """See `Audience.input`."""
        patch = {"kind": "input", "chat": chat, "text": text, "mode": mode, "focus": True}
        self._live.publish(page_topic(account, page), ("input",), ready(patch))

    def notice(self, account: int, page: str, code: str, details: Mapping[str, Any] | None = None,
               undo: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        """See `Audience.notice`."""

        def build(at: Subscription) -> Patch:
            level, text = i18n.notice(code, details or {}, at.language)
            return {"kind": "notice", "level": level, "text": text, "undo": dict(undo) if undo else None}

        self._live.publish(page_topic(account, page), ("notice", code), build)

    def model_changed(self, state: LoaderState) -> None:
        """Tell every page what the loader is at."""

        def build(page: Subscription) -> Patch:
            page.measure()
            return views.model(state, page.language)

        self._live.publish(ALL_PAGES, ("model",), build)

    def _whole(self, page: Subscription, account: int, chat: int) -> list[Patch]:
        page.blocks_sent.clear()
        value, dialogue = self._history.chat(account, chat), self._history.dialogue(account, chat)
        return [self.views.dialogue(value, dialogue, page.language), *self.writing(page, chat)]

    def _job(self, chat: int | None) -> Job | None:
        return self.jobs.of_chat(chat) if self.jobs is not None else None

    def _page_job(self, job: Job) -> Job | None:
        return self.jobs.of_page(job.account, job.page) if self.jobs is not None else None


def _typed(job: Job) -> Patch:
    text = "".join(piece for piece, reasoning in job.take() if not reasoning)
    return {"kind": "input", "chat": job.chat, "text": text, "mode": "append", "focus": False}
