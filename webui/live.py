"""The channel to the pages: one WebSocket a page, numbered frames of small patches.

A subscription keeps, by key, what its page has yet to be told; a newer patch under the same key takes the place of
an older one. So a slow page gets fewer, merged patches, the memory for it is bounded, and a running job never waits.
Patches are built when they are sent: what nobody looks at is never rendered.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from webui.waiting import until_set

Patch = dict[str, Any]
Build = Callable[["Subscription"], Patch | list[Patch] | None]
Topic = tuple[Hashable, ...]
Key = tuple[Hashable, ...]

FAR_SECONDS, NEAR_SECONDS = 0.1, 0.2
"""The time between two patches to one page under the same key. Each costs a browser some 10 ms of processor, so a page
on the model's own machine, which needs all of it, gets fewer than one elsewhere."""
GATHER_SECONDS = 0.004
"""The least time between two frames, in which what belongs together comes together."""

log = logging.getLogger(__name__)


def account_topic(account: int) -> Topic:
    """What every page of an account follows: the chat list, the model."""
    return ("account", account)


def chat_topic(chat: int) -> Topic:
    """What the pages that show a chat follow."""
    return ("chat", chat)


def page_topic(account: int, page: str) -> Topic:
    """What one page alone follows: its input box, its notices."""
    return ("page", account, page)


ALL_PAGES: Topic = ("all",)
"""What every page follows: the state of the model."""


def ready(patch: Patch) -> Build:
    """Return a `Build` for a patch that is the same for every page."""
    return lambda _: patch


class Subscription:
    """One page's ear. All methods but `topics` belong to the event loop's thread."""

    def __init__(self, account: int, page: str, language: str, frame_seconds: float = NEAR_SECONDS) -> None:
        self.account, self.page, self.language = account, page, language
        self._frame_seconds = frame_seconds
        self.chat: int | None = None
        self.blocks_sent: dict[int, int] = {}
        """For each message being written: how many of its closed blocks the page has."""
        self.draft = ""
        """What stands in the page's input box."""
        self.measuring = asyncio.Event()
        self._pending: dict[Key, tuple[Topic, Build]] = {}
        self._sent: dict[Key, float] = {}
        self._woken = asyncio.Event()
        self._holding = False

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What this page follows now."""
        topics = (ALL_PAGES, account_topic(self.account), page_topic(self.account, self.page))
        return topics if self.chat is None else (*topics, chat_topic(self.chat))

    def put(self, topic: Topic, key: Key, build: Build) -> None:
        """Owe the page a patch; it replaces one that waits under the same key."""
        if topic in self.topics:
            self._pending.pop(key, None)
            self._pending[key] = (topic, build)
            self._woken.set()

    def measure(self) -> None:
        """Have the window measured again, aside from the frames, as it may take a while."""
        self.measuring.set()

    def hold(self) -> None:
        """Send nothing until `begin`: the state of another chat is being read."""
        self._holding = True
        self._pending = {key: owed for key, owed in self._pending.items() if owed[0][0] != "chat"}

    def begin(self, state: list[Patch]) -> None:
        """Let the state go first, and then whatever has come since `hold`."""
        self.blocks_sent.clear()
        self._sent.clear()
        self._pending = {("state",): (ALL_PAGES, lambda _: state), **self._pending}
        self._holding = False
        self._woken.set()

    async def run(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Send frames until cancelled; `send` may take as long as the page's connection needs."""
        number = 0
        while True:
            await until_set(self._woken, self._rest())
            self._woken.clear()
            if self._rest() == 0 and (patches := self._take()):
                await send({"n": number, "patches": patches})
                number += 1
                await asyncio.sleep(GATHER_SECONDS)

    def _rest(self) -> float | None:
        """Return how long the next frame has to wait, None while nothing is owed.

        What is new goes at once; what is told again, as the text being written is, waits for its time.
        """
        now = asyncio.get_running_loop().time()
        self._sent = {key: at for key, at in self._sent.items() if at > now - self._frame_seconds}
        if self._holding or not self._pending:
            return None
        return max(0.0, min(self._sent.get(key, 0.0) + self._frame_seconds - now for key in self._pending))

    def _take(self) -> list[Patch]:
        pending, self._pending = self._pending, {}
        self._sent.update(dict.fromkeys(pending, asyncio.get_running_loop().time()))
        patches: list[Patch] = []
        for key, (_, build) in pending.items():
            try:
                made = build(self)
            except Exception:
                log.exception("a patch %r could not be built", key)
                continue
            patches += made if isinstance(made, list) else [made] if made else []
        return patches


class Live:
    """All subscriptions. `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._subscriptions: dict[Topic, set[Subscription]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which event loop serves the pages; before that, nothing is published."""
        self._loop = loop

    def publish(self, topic: Topic, key: Key, build: Build) -> None:
        """Owe a patch to every page that follows `topic`."""
        with self._lock:
            listeners = tuple(self._subscriptions.get(topic, ()))
        if not listeners or self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(_deliver, listeners, topic, key, build)
        except RuntimeError:
            log.debug("the loop is closed; %r is not told", key)

    def follow(self, subscription: Subscription) -> None:
        """Add a page to its topics; idempotent."""
        with self._lock:
            for topic in subscription.topics:
                self._subscriptions.setdefault(topic, set()).add(subscription)

    def move(self, subscription: Subscription, chat: int | None) -> None:
        """Let a page follow another chat; of everything else it goes on hearing without a gap."""
        with self._lock:
            if subscription.chat is not None:
                self._remove(chat_topic(subscription.chat), subscription)
            subscription.chat = chat
            for topic in subscription.topics:
                self._subscriptions.setdefault(topic, set()).add(subscription)

    def leave(self, subscription: Subscription) -> None:
        """Take a page off its topics."""
        with self._lock:
            for topic in subscription.topics:
                self._remove(topic, subscription)

    def _remove(self, topic: Topic, subscription: Subscription) -> None:
        listeners = self._subscriptions.get(topic, set())
        listeners.discard(subscription)
        if not listeners:
            self._subscriptions.pop(topic, None)

    def pages(self, topic: Topic) -> int:
        """Return how many pages follow a topic."""
        with self._lock:
            return len(self._subscriptions.get(topic, ()))


def _deliver(listeners: tuple[Subscription, ...], topic: Topic, key: Key, build: Build) -> None:
    for subscription in listeners:
        subscription.put(topic, key, build)
