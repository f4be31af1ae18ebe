"""What the jobs report, carried into the history and on to the pages."""

from __future__ import annotations

from webui.audience import Audience
from webui.history.store import History
from webui.history.values import Stretch
from webui.job import Job, Outcome


class Keeper:
    """The `Watcher` of all jobs."""

    def __init__(self, history: History, audience: Audience) -> None:
        self._history, self._audience = history, audience

    def began(self, job: Job) -> None:
        """See `Watcher.began`."""
        self._audience.status_changed(job)

    def moved(self, job: Job) -> None:
        """See `Watcher.moved`."""
        self._audience.status_changed(job)

    def wrote(self, job: Job) -> None:
        """See `Watcher.wrote`."""
        self._audience.wrote(job)

    def draft(self, job: Job, text: str, reasoning: str) -> None:
        """See `Watcher.draft`."""
        if job.message is not None:
            self._history.save_draft(job.message, text, reasoning)

    def keep(self, job: Job, outcome: Outcome) -> None:
        """See `Watcher.keep`."""
        if job.message is not None:
            weighed = Stretch(len(job.base) + len(job.base_reasoning), tuple(job.choices))
            self._history.finish(job.message, outcome.text, outcome.reasoning, outcome.state, outcome.made, weighed)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """See `Watcher.ended`."""
        if job.chat is not None and job.message is not None:
            self._audience.message_changed(job.account, job.chat, job.message)
        if outcome.error is not None and (job.message is None or outcome.state != "failed"):
            self._audience.notice(job.account, job.page, outcome.error.code, outcome.error.details)
        self._audience.status_changed(job)
        if job.chat is not None:
            self._audience.chat_changed(job.account, job.chat)
            self._audience.meter_changed(job.chat)
