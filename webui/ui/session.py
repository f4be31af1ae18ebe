"""One page's connection to `/live`: what it asks to see, and the frames that it gets.

Page to server, as JSON: `{"watch": chat or null}` first and at each switch; `{"typing": text}` as the input box
changes; `{"older": message}` for what is above a message; `{"search": text}` and `{"chats": moment}` for the chat
list, the latter for those last used before; `{"models": true}` for the models that are known, and
`{"look": reference}` for what a reference names and how it can be opened; `{"shape": {…}, "asked": number}` to have a
shape of replies checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from backends.errors import SamovarError
from webui.accounts import Account
from webui.dialogue import Dialogue, Node
from webui.errors import NotFound
from webui.history.store import Chat
from webui.history.text import storable
from webui.job import Job
from webui.live import FAR_SECONDS, NEAR_SECONDS, Patch, Subscription, account_topic, page_topic, ready
from webui.replies import SYSTEM_SETTING
from webui.services import Services
from webui.ui import i18n, shelves, views
from webui.ui.feed import Feed

CHATS_SHOWN = 200
HITS_SHOWN = 30
_LATEST = 1e15
"""No chat was used later than this, in seconds since the epoch."""

log = logging.getLogger(__name__)


class Session:
    """Serves one WebSocket until it goes away."""

    def __init__(self, services: Services, feed: Feed, socket: WebSocket, account: Account, page: str, language: str,
                 ) -> None:  # fmt: skip
        self._services, self._feed, self._socket, self._account = services, feed, socket, account
        self._page = Subscription(account.id, page, language, NEAR_SECONDS if _is_near(socket) else FAR_SECONDS)

    async def run(self) -> None:
        """Accept the socket and serve it; returns when the page is gone."""
        await self._socket.accept()
        self._services.live.follow(self._page)
        tasks = [asyncio.create_task(work) for work in (self._page.run(self._send), self._listen(), self._measure())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) and not isinstance(error, WebSocketDisconnect | RuntimeError | OSError):
                    log.error("a page's connection failed", exc_info=error)
        finally:
            self._services.live.leave(self._page)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._socket.close()

    async def _send(self, frame: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def _listen(self) -> None:
        while True:
            try:
                asked = _read(await self._socket.receive_text())
            except (ValueError, KeyError, RecursionError):
                continue
            await self._obey(asked)

    async def _obey(self, asked: dict[str, Any]) -> None:
        match asked:
            case {"watch": int() | None as chat}:
                await self._watch(chat)
            case {"typing": str() as text}:
                self._page.draft = text
                self._page.measure()
            case {"older": int() as message}:
                await self._answer("older", self._older, message)
            case {"chats": int() | float() as before} if abs(before) < _LATEST:
                await self._answer("more-chats", self._more_chats, before)
            case {"search": str() as text}:
                await self._answer("found", self._found, text[:200])
            case {"shape": dict() as shape, "asked": int() as number}:
                await self._answer("shape", self._shape, (number, json.dumps(shape)))
            case {"models": True} if self._account.owner:
                await self._answer("models", self._models, None)
            case {"look": str() as text} if self._account.owner:
                await self._answer("card", self._card, text[:4000])
            case _:
                log.debug("a page asked for something unknown: %.100r", asked)

    async def _watch(self, chat: int | None) -> None:
        """Show a chat. It is followed before it is read, so that nothing which happens meanwhile is missed."""
        live = self._services.live
        value: Chat | None = None
        dialogue = Dialogue({}, None)
        try:
            if chat is not None:
                await asyncio.to_thread(self._services.history.chat, self._page.account, chat)
            self._page.hold()
            live.move(self._page, chat)
            value, dialogue = await asyncio.to_thread(self._read, chat)
        except NotFound as error:
            self._page.hold()
            live.move(self._page, None)
            notice = {"kind": "notice", "level": "error", "text": self._say(error), "undo": None}
            self._page.put(page_topic(self._page.account, self._page.page), ("notice",), ready(notice))
        state = await asyncio.to_thread(self._state, chat, value, dialogue)
        self._page.begin([*state, *self._running(value)])
        self._page.measure()

    def _read(self, chat: int | None) -> tuple[Chat | None, Dialogue]:
        if chat is None:
            return None, Dialogue({}, None)
        history, account = self._services.history, self._page.account
        return history.chat(account, chat), history.dialogue(account, chat)

    def _state(self, asked: int | None, chat: Chat | None, dialogue: Dialogue) -> list[Patch]:
        services, language, account = self._services, self._page.language, self._account
        shown = self._feed.views.dialogue(chat, dialogue, language)
        # A page that has gone on to another chat meanwhile lets this one pass.
        shown["asked"] = asked
        shown["system"] = services.history.setting(account.id, SYSTEM_SETTING, "") if chat is None else ""
        return [
            views.hello(account, language, services.settings.sign_in),
            views.model(services.loader.state, language),
            views.presets(services.presets(account.id).list(), language),
            views.levers(services.levers(account.id)),
            self._chats(None),
            shown,
        ]

    def _chats(self, before: float | None) -> Patch:
        """Return the newest chats, or those that were last used before a moment (seconds since the epoch)."""
        busy = self._services.jobs.busy_chats()
        # One more than is shown, to know whether there is more.
        chats = self._services.history.chats(self._account.id, limit=CHATS_SHOWN + 1, before=before)
        rows = [views.chat(value, value.id in busy) for value in chats[:CHATS_SHOWN]]
        return {"kind": "chats", "list": rows, "more": len(chats) > CHATS_SHOWN, "earlier": before is not None}

    def _more_chats(self, before: float) -> Patch:
        return self._chats(before)

    def _running(self, chat: Chat | None) -> list[Patch]:
        """What is being written just now; belongs to the event loop's thread."""
        jobs = self._services.jobs
        if chat is None:
            job = jobs.of_page(self._page.account, self._page.page)
            return [views.status(job, self._page.language), *self._typed(job)]
        self._page.blocks_sent.clear()
        job = jobs.of_chat(chat.id)
        return [views.status(job, self._page.language), *self._feed.writing(self._page, chat.id), *self._typed(job)]

    def _typed(self, job: Job | None) -> list[Patch]:
        """What the model has written, or gone on writing while the page was away, into the input box."""
        patches: list[Patch] = []
        for each in (self._services.jobs.unread(self._page.account, self._page.page), job):
            if each is not None and each.message is None and each.page == self._page.page:
                each.take()
                patches.append({"kind": "input", "chat": each.chat, "text": each.text, "mode": "set", "focus": False})
        return patches

    async def _answer(self, name: str, make: Any, asked: Any) -> None:
        try:
            patch = await asyncio.to_thread(make, asked)
        except NotFound:
            return
        except Exception:
            # The page's connection must not break over one question: it would be asked again for ever.
            log.exception("a question for %s could not be answered", name)
            return
        self._page.put(account_topic(self._page.account), (name, asked), ready(patch))

    def _older(self, before: int) -> Patch:
        chat, dialogue = self._read(self._page.chat)
        return self._feed.views.older(chat, dialogue, before, self._page.language)

    def _found(self, text: str) -> Patch:
        hits = self._services.history.search(self._page.account, text, HITS_SHOWN) if text.strip() else []
        return {"kind": "found", "text": text, "list": [views.hit(hit) for hit in hits]}

    def _shape(self, asked: tuple[int, str]) -> Patch:
        number, shape = asked
        return views.shape(number, json.loads(shape), self._page.language)

    def _models(self, _: None) -> Patch:
        return shelves.models(self._services.shelf)

    def _card(self, reference: str) -> Patch:
        return shelves.card(self._services.shelf.look(reference), self._page.language)

    async def _measure(self) -> None:
        while True:
            await self._page.measuring.wait()
            self._page.measuring.clear()
            patch = await asyncio.to_thread(self._meter)
            if patch is not None:
                self._page.put(account_topic(self._page.account), ("meter",), ready(patch))

    def _meter(self) -> Patch | None:
        """Measure what would be sent if the person sent now. Runs in a thread."""
        backend, page = self._services.loader.backend, self._page
        if backend is None:
            return None
        try:
            chat, dialogue = self._read(page.chat)
            system = (
                chat.system if chat is not None else self._services.history.setting(page.account, SYSTEM_SETTING, "")
            )
            path, draft = dialogue.path, page.draft
            if draft.strip():
                path = (*path, Node(0, dialogue.tip, "user", draft))
            levers = self._services.levers(page.account)
            fitted = self._services.prompts.fit(
                backend, str(system), path, "assistant", levers.start_with, levers.sampling
            )
            size = len(backend.tokenize(draft)) if draft.strip() else 0
            return views.meter(fitted, size, backend.capabilities.exact_counts)
        except NotFound:
            return None
        except SamovarError as error:
            return views.meter_error(error, backend.info.window, page.language)

    def _say(self, error: SamovarError) -> str:
        return i18n.error(error.code, error.details, self._page.language)


def _is_near(socket: WebSocket) -> bool:
    """Whether the page is on this machine: then it comes from the address that it asks."""
    server = socket.scope.get("server")
    return socket.client is not None and server is not None and socket.client.host == server[0]


def _read(said: str) -> dict[str, Any]:
    """Read what a page says, its texts as they can be kept. Raises ValueError, RecursionError."""
    asked = json.loads(said)
    if not isinstance(asked, dict):
        raise ValueError("not an object")
    return {name: storable(value) if isinstance(value, str) else value for name, value in asked.items()}
