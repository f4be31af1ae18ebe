"""A whole house without a page: a real history, the scripted backend, an audience that keeps what it hears."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backends.base import Backend
from backends.sampling import SamplingParams
from backends.scripted import Script, ScriptedBackend
from webui.chats import Actor
from webui.choice import ModelChoice
from webui.dialogue import Dialogue, Node
from webui.history.store import History
from webui.job import Job
from webui.jobs import Jobs
from webui.levers import Levers
from webui.live import Live
from webui.loader import LoaderState, Stage
from webui.services import Services, open_services
from webui.settings import Settings

ME = Actor(1, "page")
PLAIN = Levers()


def short(tokens: int) -> Levers:
    return Levers(SamplingParams(max_tokens=tokens))


class Ear:
    """An audience that keeps what it hears."""

    jobs: Jobs | None = None

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.typed: dict[str, str] = {}

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event[1:] for event in self.heard if event[0] == kind]

    def chat_changed(self, account: int, chat: int) -> None:
        self.heard.append(("chat", account, chat))

    def chat_gone(self, account: int, chat: int) -> None:
        self.heard.append(("gone", account, chat))

    def path_changed(self, account: int, chat: int, before: tuple[int, ...], after: Dialogue) -> None:
        self.heard.append(("path", chat, before, tuple(node.id for node in after.path)))

    def message_changed(self, account: int, chat: int, message: int) -> None:
        self.heard.append(("message", chat, message))

    def status_changed(self, job: Job) -> None:
        self.heard.append(("status", job.chat, job.status.phase))

    def wrote(self, job: Job) -> None:
        if job.message is None:
            text = "".join(piece for piece, _ in job.take())
            self.typed[job.page] = self.typed.get(job.page, "") + text

    def meter_changed(self, chat: int) -> None:
        self.heard.append(("meter", chat))

    def opened(self, account: int, page: str, chat: int) -> None:
        self.heard.append(("opened", page, chat))

    def system_changed(self, chat: int, text: str) -> None:
        self.heard.append(("system", chat, text))

    def input(self, account: int, page: str, chat: int, text: str, mode: str) -> None:
        self.typed[page] = text

    def notice(self, account: int, page: str, code: str, details: Mapping[str, Any] | None = None,
               undo: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        self.heard.append(("notice", code, undo))

    def model_changed(self, state: LoaderState) -> None:
        self.heard.append(("model", state.stage))


class House:
    """Services with a scripted model, and short ways to look at them."""

    def __init__(self, folder: Path, script: Script, load: bool = True) -> None:
        self.ear = Ear()
        self.backend = ScriptedBackend(script)
        self.services: Services = open_services(
            Settings(data_dir=folder), History(f"sqlite:///{folder / 'samovar.db'}"), Live(), self.ear, self._open
        )
        self.chats, self.replies = self.services.chats, self.services.replies
        if load:
            self.load()

    def load(self) -> None:
        self.services.loader.switch(ModelChoice("scripted"))
        self.until(lambda: self.services.loader.backend is not None)

    def _open(self, choice: ModelChoice, progress: Callable[[Stage, float], bool]) -> Backend:
        return self.backend

    def until(self, true: Callable[[], bool], seconds: float = 5) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.002)

    def quiet(self) -> None:
        """Wait until nothing is written any more."""
        self.until(lambda: not self.services.jobs._running)

    def dialogue(self, chat: int, account: int = 1) -> Dialogue:
        return self.services.history.dialogue(account, chat)

    def path(self, chat: int) -> tuple[Node, ...]:
        return self.dialogue(chat).path

    def texts(self, chat: int) -> list[str]:
        return [node.content for node in self.path(chat)]

    def say(self, text: str, chat: int | None = None, levers: Levers = PLAIN) -> int:
        """Send and wait for the reply."""
        chat = self.replies.send(ME, chat, text, levers)
        self.quiet()
        return chat
