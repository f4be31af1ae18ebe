"""Asking the model for text: send, regenerate, continue, impersonate, edit, stop.

Every command returns at once; the text is written by a job. A new version is a sibling of the old one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from backends.base import Backend
from backends.constraints import Constraint
from backends.errors import UnsupportedParameter
from backends.values import Request, Speaker
from webui.audience import Audience
from webui.chats import Actor, Chats, ids_of, last_of, node_of
from webui.dialogue import Dialogue, Node, State
from webui.errors import ChatBusy, HistoryFailed, NoModel, NothingToDo
from webui.history.store import History
from webui.job import Job
from webui.jobs import Jobs
from webui.levers import Levers
from webui.loader import Loader
from webui.prompts import Prompts

TITLE_LENGTH = 60
_Ask = Callable[[Backend], Request]
SYSTEM_SETTING = "system"
"""The key of the setting that holds what new chats tell the model first."""


class Replies:
    """The commands that start or end jobs. Every one raises `NotFound` for a chat of somebody else."""

    def __init__(self, history: History, loader: Loader, prompts: Prompts, audience: Audience, jobs: Jobs,
                 chats: Chats) -> None:  # fmt: skip
        self._history, self._loader, self._prompts = history, loader, prompts
        self._audience, self._jobs, self._chats = audience, jobs, chats

    def send(self, actor: Actor, chat_id: int | None, text: str, levers: Levers) -> int:
        """Add a message of the person's and ask for a reply; without text, ask for a reply to what is there.

        Returns the chat's id, a new one for `chat_id` None. Raises `PromptTooLong` before anything is kept.
        """
        if chat_id is None:
            return self._send_first(actor, text, levers)
        with self._chats.turn(actor, chat_id) as dialogue:
            if not text.strip():
                last_of(dialogue)
            system = self._history.chat(actor.account, chat_id).system
            request = self._asked(actor, system, dialogue, text, levers.start_with, levers)
            parent = dialogue.tip
            if text.strip():
                parent = self._history.add_message(actor.account, chat_id, parent, "user", text).id
            self._reply(actor, chat_id, parent, levers.start_with, request, dialogue)
        return chat_id

    def regenerate(self, actor: Actor, chat_id: int, levers: Levers, message: int | None = None) -> None:
        """Ask for another version of a reply (of the last one by default), with a new seed."""
        fresh = replace(levers, sampling=dataclasses.replace(levers.sampling, seed=-1))
        with self._chats.turn(actor, chat_id) as dialogue:
            node = last_of(dialogue) if message is None else node_of(dialogue, message)
            parent = node.id if node.role == "user" else node.parent
            system = self._history.chat(actor.account, chat_id).system
            request = self._asked(actor, system, Dialogue(dialogue.nodes, parent), "", levers.start_with, fresh)
            self._reply(actor, chat_id, parent, levers.start_with, request, dialogue)

    def continue_(self, actor: Actor, chat_id: int, levers: Levers, message: int | None = None) -> None:
        """Let a reply go on from its last character, in the same message.

        A reply that others were built upon is left as it is: a copy of it goes on, as another version.
        """
        with self._chats.turn(actor, chat_id) as dialogue:
            node = last_of(dialogue) if message is None else node_of(dialogue, message)
            if node.role != "assistant":
                raise NothingToDo(reason="no_reply")
            system, before = self._history.chat(actor.account, chat_id).system, Dialogue(dialogue.nodes, node.parent)
            request = self._asked(actor, system, before, "", node.content, levers)
            if dialogue.children(node.id) or self._history.shared_tip(actor.account, chat_id, node.id):
                copied = node.id
                node = self._history.add_message(
                    actor.account,
                    chat_id,
                    node.parent,
                    "assistant",
                    node.content,
                    reasoning=node.reasoning,
                    state=node.state,
                    made=node.made,
                )
                self._history.copy_choices(copied, node.id)
            elif dialogue.tip != node.id:
                self._history.set_tip(actor.account, chat_id, node.id)
            self._write(actor, chat_id, node, request, dialogue, continues=node.state)

    def edit(self, actor: Actor, chat_id: int, message: int, text: str, levers: Levers | None) -> None:
        """Put a new version beside a message; with `levers`, ask for a reply to it when it is the person's."""
        if not text.strip():
            raise NothingToDo(reason="empty")
        with self._chats.turn(actor, chat_id) as dialogue:
            node = node_of(dialogue, message)
            if levers is None or node.role != "user":
                self._history.add_message(actor.account, chat_id, node.parent, node.role, text)
                after = self._history.dialogue(actor.account, chat_id)
                self._audience.path_changed(actor.account, chat_id, ids_of(dialogue), after)
                self._audience.meter_changed(chat_id)
                return
            system = self._history.chat(actor.account, chat_id).system
            before = Dialogue(dialogue.nodes, node.parent)
            request = self._asked(actor, system, before, text, levers.start_with, levers)
            added = self._history.add_message(actor.account, chat_id, node.parent, "user", text)
            self._reply(actor, chat_id, added.id, levers.start_with, request, dialogue)

    def impersonate(self, actor: Actor, chat_id: int | None, draft: str, levers: Levers) -> None:
        """Let the model write the person's next message into the input box of this page, after `draft`."""
        if chat_id is None:
            self._impersonate(actor, None, self._new_system(actor), (), draft, levers)
            return
        with self._chats.turn(actor, chat_id) as dialogue:
            system = self._history.chat(actor.account, chat_id).system
            self._impersonate(actor, chat_id, system, dialogue.path, draft, levers)

    def stop(self, actor: Actor, chat_id: int | None) -> None:
        """End the generation of this page's chat; what was written is kept."""
        job = self._jobs.of_page(actor.account, actor.page)
        if chat_id is not None:
            self._history.chat(actor.account, chat_id)
            job = self._jobs.of_chat(chat_id) or job
        if job is not None:
            job.stop()

    def _send_first(self, actor: Actor, text: str, levers: Levers) -> int:
        if not text.strip():
            raise NothingToDo(reason="empty")
        system, empty = self._new_system(actor), Dialogue({}, None)
        request = self._asked(actor, system, empty, text, levers.start_with, levers)
        chat = self._history.create_chat(actor.account, title_of(text), system)
        try:
            message = self._history.add_message(actor.account, chat.id, None, "user", text)
            self._reply(actor, chat.id, message.id, levers.start_with, request, empty)
        except HistoryFailed:
            # The text is in the input box still, and will be sent again.
            with suppress(HistoryFailed):
                self._history.delete_chat(actor.account, chat.id)
            raise
        self._audience.opened(actor.account, actor.page, chat.id)
        return chat.id

    def _impersonate(self, actor: Actor, chat_id: int | None, system: str, path: tuple[Node, ...], draft: str,
                     levers: Levers) -> None:  # fmt: skip
        job = Job(actor.account, actor.page, chat_id, "user", base=draft)
        free = replace(levers, shape=None, alternatives=0)
        self._start(job, lambda backend: self._request(backend, actor, system, path, "user", draft, free))

    def _new_system(self, actor: Actor) -> str:
        return str(self._history.setting(actor.account, SYSTEM_SETTING, ""))

    def _asked(self, actor: Actor, system: str, dialogue: Dialogue, text: str, prefix: str,
               levers: Levers) -> _Ask:  # fmt: skip
        """Return what makes the request for a reply to `text`, or to what is there, that begins with `prefix`.

        Once a model is loaded it is made now: what cannot fit is refused while the text is still in the input box.
        """
        path = (*dialogue.path, Node(0, dialogue.tip, "user", text)) if text.strip() else dialogue.path

        def ask(backend: Backend) -> Request:
            return self._request(backend, actor, system, path, "assistant", prefix, levers)

        if (there := self._loader.backend) is None:
            if not self._loader.state.under_way:
                raise self._loader.state.error or NoModel
            return ask
        made = ask(there)
        return lambda backend: made if backend is there else ask(backend)

    def _check_shape(self, backend: Backend, shape: Constraint | None) -> None:
        if shape is not None and shape.kind not in backend.capabilities.constraints:
            raise UnsupportedParameter(name=shape.name, engine=backend.info.engine or backend.info.name)

    def _reply(self, actor: Actor, chat_id: int, parent: int | None, start: str, request: _Ask,
               before: Dialogue) -> None:  # fmt: skip
        node = self._history.add_message(actor.account, chat_id, parent, "assistant", start, state="writing")
        self._write(actor, chat_id, node, request, before)

    def _write(self, actor: Actor, chat_id: int, node: Node, request: _Ask, before: Dialogue, *,
               continues: State | None = None) -> None:  # fmt: skip
        if continues is not None:
            self._history.begin_draft(node.id)
        dialogue = self._history.dialogue(actor.account, chat_id)
        job = Job(actor.account, actor.page, chat_id, "assistant", node.id, node.content, node.reasoning, node.made,
                  continues)  # fmt: skip
        self._audience.path_changed(actor.account, chat_id, ids_of(before), dialogue)
        self._start(job, request)
        self._audience.chat_changed(actor.account, chat_id)

    def _start(self, job: Job, request: _Ask) -> None:
        def prepare(job: Job) -> tuple[Backend, Request]:
            backend = self._loader.wait(job.stopping)
            return backend, request(backend)

        if not self._jobs.start(job, prepare):
            raise ChatBusy

    def _request(self, backend: Backend, actor: Actor, system: str, path: tuple[Node, ...], speaker: Speaker,
                 prefix: str, levers: Levers) -> Request:  # fmt: skip
        fitted = self._prompts.fit(backend, system, path, speaker, prefix, levers.sampling)
        self._check_shape(backend, levers.shape)
        told = min(levers.alternatives, backend.capabilities.alternatives)
        return Request(fitted.prompt, levers.sampling, str(actor.account), told, constraint=levers.shape)


def title_of(text: str) -> str:
    """Return the title of a chat that begins with `text`: its first words."""
    words = " ".join(text[: 4 * TITLE_LENGTH].split())
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1].rstrip() + "…"
