"""The long-lived objects, made once and passed down; no module holds state of its own."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from backends.base import Backend
from backends.errors import SamovarError
from backends.registry import open_backend
from webui.accounts import Accounts
from webui.audience import Audience
from webui.chats import Chats
from webui.choice import KeptChoices, ModelChoice
from webui.credentials import signing_key
from webui.history.store import History
from webui.jobs import Jobs
from webui.keeper import Keeper
from webui.keys import ApiKeys
from webui.levers import Levers, read_levers
from webui.live import Live
from webui.loader import Loader, LoaderState, Open, Stage
from webui.meters import Meters
from webui.presets import Presets
from webui.prompts import Prompts
from webui.replies import Replies
from webui.settings import Settings
from webui.shelf import Shelf

SHIPPED_PRESETS = Path(__file__).resolve().parent.parent / "presets"
FIRST_PRESET = "balanced"

log = logging.getLogger(__name__)


class Telling(Audience, Protocol):
    """An audience that is told of the model, too, and learns of the jobs once they are there."""

    jobs: Jobs | None

    def model_changed(self, state: LoaderState) -> None:
        """Tell that the model is loading, ready, failed or gone."""


@dataclass(frozen=True)
class Services:
    """What the pages and the API work with."""

    settings: Settings
    history: History
    accounts: Accounts
    keys: ApiKeys
    meters: Meters
    live: Live
    loader: Loader
    kept: KeptChoices
    shelf: Shelf
    prompts: Prompts
    jobs: Jobs
    chats: Chats
    replies: Replies

    def presets(self, account: int) -> Presets:
        """Return the presets that an account sees: those that ship, and its own."""
        return Presets(SHIPPED_PRESETS, self.settings.presets_dir / str(account))

    def levers(self, account: int) -> Levers:
        """Return what an account has set; at first the preset "Balanced"."""
        return read_levers(self.history, account, self._first_levers(account))

    def close(self) -> None:
        """Stop the jobs, keeping what they wrote, and unload the model."""
        self.jobs.close()
        self.loader.close()
        self.history.close()

    def _first_levers(self, account: int) -> Levers:
        try:
            return Levers(self.presets(account).load(FIRST_PRESET).sampling, preset=FIRST_PRESET)
        except SamovarError:
            log.exception("the preset %s cannot be read", FIRST_PRESET)
            return Levers()


def open_services(settings: Settings, history: History, live: Live, audience: Telling,
                  opener: Open | None = None) -> Services:  # fmt: skip
    """Make everything and mark the replies that a killed server left unfinished. No model is loaded yet."""
    meters = Meters()
    kept = KeptChoices(history)
    loader = Loader(meters.watched(opener or partial(_open, settings)), audience.model_changed, kept.keep)
    shelf = Shelf(settings, kept, loader)
    jobs = Jobs(Keeper(history, audience))
    audience.jobs = jobs
    chats = Chats(history, audience, jobs)
    prompts = Prompts(history)
    replies = Replies(history, loader, prompts, audience, jobs, chats)
    history.mark_cut()
    accounts = Accounts(history.people, signing_key(settings.secret_file))
    keys = ApiKeys(history, accounts)
    return Services(settings, history, accounts, keys, meters, live, loader, kept, shelf, prompts, jobs, chats, replies)


def _open(settings: Settings, choice: ModelChoice, progress: Callable[[Stage, float], bool]) -> Backend:
    """Open a model as it was chosen, the rest as the settings say; `progress` is told of download and loading."""
    return open_backend(choice.reference, dataclasses.replace(choice.options(settings), progress=progress))
