"""What a page's buttons ask for: each act by its name, read from untrusted data, answered by patches.

Every act is answered with `answer {call, ok}` on the page that asked; what went wrong comes as a notice before it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backends.constraints import Constraint
from backends.errors import InvalidRequest, SamovarError
from backends.registry import look
from backends.sampling import SamplingParams
from webui.accounts import Account
from webui.chats import Actor
from webui.choice import ModelChoice
from webui.errors import OwnerOnly
from webui.levers import ALTERNATIVES, Levers, save_levers
from webui.live import account_topic, page_topic, ready
from webui.replies import SYSTEM_SETTING
from webui.services import Services
from webui.ui import views
from webui.ui.feed import Feed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came with an act. Its methods raise `InvalidRequest` for what is missing or of another kind."""

    account: Account
    data: Mapping[str, Any]

    @property
    def actor(self) -> Actor:
        """Who asks, from which page."""
        return Actor(self.account.id, str(self.data.get("page", ""))[:64])

    @property
    def chat(self) -> int | None:
        """The chat that the page shows, None for a new one."""
        return None if self.data.get("chat") is None else self.number("chat")

    def number(self, name: str) -> int:
        """Return a whole number."""
        value = self.data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
            raise InvalidRequest(reason=f"{name} is not a number")
        return value

    def maybe(self, name: str) -> int | None:
        """Return a whole number, or None where there is none."""
        return None if self.data.get(name) is None else self.number(name)

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return whole numbers, none where there are none."""
        values = self.data.get(name) or ()
        if not isinstance(values, list | tuple):
            raise InvalidRequest(reason=f"{name} is not a list")
        return tuple(Asked(self.account, {name: value}).number(name) for value in values)

    def text(self, name: str) -> str:
        """Return a text."""
        if not isinstance(value := self.data.get(name), str):
            raise InvalidRequest(reason=f"{name} is not a text")
        # Half of a surrogate pair, which a browser may send, is no text that could be kept or encoded.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")

    def levers(self) -> Levers:
        """Return the levers of the page. Raises `UnknownParameter`, `InvalidParameter`, `InvalidConstraint`."""
        value = self.data.get("levers")
        if not isinstance(value, Mapping) or not isinstance(sampling := value.get("sampling"), Mapping):
            raise InvalidRequest(reason="the levers are missing")
        shape = value.get("shape")
        return Levers(
            SamplingParams.from_mapping(sampling),
            str(value.get("start_with", "")),
            str(value.get("preset", "")),
            Constraint.from_mapping(shape) if isinstance(shape, Mapping) else None,
            value.get("alternatives", ALTERNATIVES),
        )


class PageCommands:
    """The acts of the page, for all accounts; called from any thread."""

    def __init__(self, services: Services, feed: Feed) -> None:
        self._services, self._feed = services, feed
        self._chats, self._replies = services.chats, services.replies
        self._acts: Mapping[str, Callable[[Asked], object]] = {
            **self._reply_acts(), **self._chat_acts(), **self._lever_acts(),
        }  # fmt: skip

    def run(self, account: Account, data: Mapping[str, Any]) -> None:
        """Do what a page asks and answer it; nothing is raised."""
        asked = Asked(account, data)
        act = self._acts.get(str(data.get("act")))
        try:
            if act is None:
                raise InvalidRequest(reason="no such act")
            act(asked)
        except SamovarError as error:
            self._feed.notice(account.id, asked.actor.page, error.code, error.details)
            self._answer(asked, False)
        except Exception:
            log.exception("the act %.40r failed", data.get("act"))
            self._feed.notice(account.id, asked.actor.page, SamovarError().code)
            self._answer(asked, False)
        else:
            self._answer(asked, True)

    def _reply_acts(self) -> Mapping[str, Callable[[Asked], object]]:
        replies = self._replies
        return {
            "send": lambda at: replies.send(at.actor, at.chat, at.text("text"), self._kept(at)),
            "regenerate": lambda at: replies.regenerate(at.actor, at.number("chat"), self._kept(at), at.maybe("id")),
            "continue": lambda at: replies.continue_(at.actor, at.number("chat"), self._kept(at), at.maybe("id")),
            "impersonate": lambda at: replies.impersonate(at.actor, at.chat, at.text("text"), self._kept(at)),
            "stop": lambda at: replies.stop(at.actor, at.chat),
            "edit": lambda at: replies.edit(
                at.actor, at.number("chat"), at.number("id"), at.text("text"),
                self._kept(at) if at.data.get("reply") else None),
        }  # fmt: skip

    def _chat_acts(self) -> Mapping[str, Callable[[Asked], object]]:
        chats = self._chats
        return {
            "remove-last": lambda at: chats.remove_last(at.actor, at.number("chat")),
            "tip": lambda at: chats.move_tip(at.actor, at.number("chat"), at.number("id")),
            "version": lambda at: chats.page_version(at.actor, at.number("chat"), at.number("id"), at.number("step")),
            "delete": lambda at: chats.delete(at.actor, at.number("chat"), at.number("id")),
            "restore": lambda at: chats.restore(
                at.actor, at.number("chat"), at.number("id"), at.maybe("tip"), at.maybe("left"), at.numbers("copies")
            ),
            "read": lambda at: chats.read(at.actor, at.number("chat"), at.number("id")),
            "branch": lambda at: chats.branch(at.actor, at.number("chat"), at.number("id")),
            "rename": lambda at: chats.rename(at.actor, at.number("chat"), at.text("title")),
            "delete-chat": lambda at: chats.delete_chat(at.actor, at.number("chat")),
            "restore-chat": lambda at: chats.restore_chat(at.actor, at.number("chat")),
            "system": self._system,
        }

    def _lever_acts(self) -> Mapping[str, Callable[[Asked], object]]:
        return {
            "levers": self._kept,
            "preset": self._load_preset,
            "preset-save": self._save_preset,
            "preset-rename": self._rename_preset,
            "preset-delete": self._delete_preset,
            "model": self._model,
            "model-cancel": lambda at: self._owners(at).loader.cancel(),
            "model-unload": lambda at: self._owners(at).loader.unload(),
            "model-forget": lambda at: self._owners(at).kept.forget(self._services.shelf.resolve(at.text("reference"))),
        }

    def _system(self, asked: Asked) -> None:
        """Set the system message of a chat, or of the chats to come."""
        text = asked.text("text").strip()
        if asked.chat is not None:
            self._chats.set_system(asked.actor, asked.chat, text)
            return
        account = asked.account.id
        self._services.history.set_setting(account, SYSTEM_SETTING, text)
        patch = {"kind": "system", "chat": None, "text": text}
        self._services.live.publish(account_topic(account), ("system",), ready(patch))
        self._measure(account)

    def _kept(self, asked: Asked) -> Levers:
        """Return the page's levers, and keep them when they are not what they were."""
        levers = asked.levers()
        if levers != self._services.levers(asked.account.id):
            self._keep(asked, levers)
        return levers

    def _keep(self, asked: Asked, levers: Levers, origin: str | None = None) -> None:
        """Keep levers and tell the account's pages, but for the `origin` that knows them (by default who asked)."""
        page = asked.actor.page if origin is None else origin
        save_levers(self._services.history, asked.account.id, levers)
        patch = views.levers(levers, page)
        self._services.live.publish(account_topic(asked.account.id), ("levers",), ready(patch))
        self._measure(asked.account.id)

    def _load_preset(self, asked: Asked) -> None:
        account, name = asked.account.id, asked.text("name")
        sampling = self._services.presets(account).load(name).sampling
        self._keep(asked, replace(self._services.levers(account), sampling=sampling, preset=name), origin="")

    def _save_preset(self, asked: Asked) -> None:
        account, name, levers = asked.account.id, asked.text("name").strip(), asked.levers()
        self._services.presets(account).save(name, levers.sampling, overwrite=asked.data.get("overwrite") is True)
        self._presets_changed(account)
        self._keep(asked, replace(levers, preset=name), origin="")

    def _rename_preset(self, asked: Asked) -> None:
        account, old, new = asked.account.id, asked.text("name"), asked.text("title").strip()
        self._services.presets(account).rename(old, new)
        self._presets_changed(account)
        levers = self._services.levers(account)
        if levers.preset == old:
            self._keep(asked, replace(levers, preset=new), origin="")

    def _delete_preset(self, asked: Asked) -> None:
        account, name = asked.account.id, asked.text("name")
        self._services.presets(account).delete(name)
        self._presets_changed(account)
        levers = self._services.levers(account)
        if levers.preset == name:
            self._keep(asked, replace(levers, preset=""), origin="")

    def _model(self, asked: Asked) -> None:
        """Load another model, for everybody; so only the owner may."""
        self._owners(asked)
        reference = self._services.shelf.resolve(asked.text("reference").strip())
        if not reference:
            raise InvalidRequest(reason="no model is named")
        levers = asked.data.get("options")
        choice = self._services.kept.of(reference)
        if isinstance(levers, Mapping):
            choice = ModelChoice.from_mapping(reference, levers)
        # What is only mistyped is said at once, and the name stays in its field.
        look(reference, self._services.settings.models_dir)
        self._services.loader.switch(choice)

    def _owners(self, asked: Asked) -> Services:
        if not asked.account.owner:
            raise OwnerOnly
        return self._services

    def _presets_changed(self, account: int) -> None:
        presets = self._services.presets(account)
        self._services.live.publish(
            account_topic(account), ("presets",), lambda page: views.presets(presets.list(), page.language)
        )

    def _measure(self, account: int) -> None:
        self._services.live.publish(account_topic(account), ("measure",), lambda page: page.measure())

    def _answer(self, asked: Asked, ok: bool) -> None:
        patch = {"kind": "answer", "call": asked.data.get("call"), "ok": ok}
        topic = page_topic(asked.account.id, asked.actor.page)
        self._services.live.publish(topic, ("answer", asked.actor.page, str(patch["call"])[:40]), ready(patch))
