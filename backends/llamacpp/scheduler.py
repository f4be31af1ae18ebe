"""Who runs next and how much each reads in the next step: decisions over plain values, no tensors and no threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEADROOM = 256
"""Tokens of its reply that a request must find room for before it starts. Replies often end long before their
limit, so the whole limit is not set aside; whoever runs into the end of the pool is paused, never failed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits: `tokens` to hold at once, at most `reply` more later. `paused` ones had begun already."""

    id: int
    user: str
    tokens: int
    reply: int
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A request that runs: it holds `held` tokens, must read `unread` more before it writes, and may write `reply`."""

    id: int
    user: str
    held: int
    unread: int
    reply: int


@dataclass(frozen=True, slots=True)
class Portion:
    """The next `tokens` of a request go into the step."""

    id: int
    tokens: int


def order(waiting: Sequence[Waiting], running: Sequence[Running], served: Mapping[str, int]) -> tuple[int, ...]:
    """Return the ids of the waiting requests in the order they will be let in.

    Paused ones come first. Then it is the turn of the user with the fewest requests running or already let in, and
    among those of the one served longest ago (`served`: user -> time of the last admission); a user's own requests
    keep their order.
    """
    queues: dict[str, list[int]] = {}
    for each in waiting:
        if not each.paused:
            queues.setdefault(each.user, []).append(each.id)
    load = {user: sum(each.user == user for each in running) for user in queues}
    result = [each.id for each in waiting if each.paused]
    while queues:
        user = min(queues, key=lambda name: (load[name], served.get(name, 0)))
        result.append(queues[user].pop(0))
        load[user] += 1
        if not queues[user]:
            del queues[user]
    return tuple(result)


def fits(candidate: Waiting, running: Sequence[Running], slots: int, cells: int) -> bool:
    """Whether a request may start beside the running ones without soon pausing any of them.

    With nobody running it always may: no prompt is longer than the pool.
    """
    if not running:
        return True
    promised = sum(each.held + each.unread + min(each.reply, HEADROOM) for each in running)
    return len(running) < slots and promised + candidate.tokens + min(candidate.reply, HEADROOM) <= cells


def portions(running: Sequence[Running], limit: int, alone: int, beside: int) -> tuple[Portion, ...]:
    """Return what goes into the next step, at most `limit` tokens in all.

    Whoever writes goes first with its one token. The prompts share `alone` tokens, or `beside` writers so many for
    each of them, that writing stays fluent: equally, so that a short prompt is not held up by a long one. The more
    wait to be read, the more goes into a step: small batches cost more, and so many could not go first one by one. A
    rest that is shorter than another share is read along. Where a single token is all that may be read beside writers,
    the prompt that is soonest done gets it.
    """
    writers = [each for each in running if each.unread == 1][:limit]
    readers = sorted((each for each in running if each.unread > 1), key=lambda each: each.unread)
    result = [Portion(each.id, 1) for each in writers]
    if writers and beside == 1:
        readers = readers[:1]
    rest = sum(each.unread for each in readers)
    budget = min(limit - len(writers), beside * len(readers) if writers else rest if rest < 2 * alone else alone)
    for at, each in enumerate(readers):
        share = min(each.unread, -(-budget // (len(readers) - at)))
        if share:
            result.append(Portion(each.id, share))
        budget -= share
    return tuple(result)


def batches(portions: tuple[Portion, ...], running: Sequence[Running]) -> tuple[tuple[Portion, ...], ...]:
    """Return the batches that a step is read in: one, but for a single token of a prompt, which has a batch of its own.

    The attention of one token is shared out among the processors by what it looks at, that of several token by token:
    at the end of a long prompt a batch of two takes longer than two batches of one. It goes first, so that what is
    written next comes at the end of the step, as it does after any other.
    """
    reading = {each.id for each in running if each.unread > 1}
    if len(portions) > 1 and portions[-1].tokens == 1 and portions[-1].id in reading:
        return portions[-1:], portions[:-1]
    return (portions,)


def chunks(running: Sequence[Running], chunk: int) -> tuple[Portion, ...]:
    """Return what goes into the next step where a prompt is always read in the same pieces, whoever runs beside it.

    Everybody who writes goes on, and beside them the prompt that is soonest done; without them all prompts do.
    """
    writers = [each for each in running if each.unread == 1]
    readers = sorted((each for each in running if each.unread > 1), key=lambda each: each.unread)
    reading = readers[:1] if writers else readers
    return tuple(Portion(each.id, min(each.unread, chunk)) for each in (*writers, *reading))


def to_pause(running: Sequence[Running]) -> int | None:
    """Return the id of the request that gives way when the pool is full: the one that began last, never the only one.

    `running` is in the order of admission.
    """
    return running[-1].id if len(running) > 1 else None
