"""How the registry opens engines that are reached over HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from backends.errors import EngineClosed, ModelUnavailable
from backends.registry import BackendOptions
from backends.remote.address import addresses, masked
from backends.remote.backend import RemoteBackend
from backends.remote.client import Client, Limits
from backends.remote.credentials import key_for
from backends.remote.failures import Failure, Refused, while_opening
from backends.remote.loop import Loop
from backends.remote.making import Wanted
from backends.remote.pool import Member, Pool


def open_reference(reference: str, options: BackendOptions, limits: Limits | None = None) -> RemoteBackend:
    """Look at the engines of `http://host:8000`, `…#model-name`, or several apart by commas (see `open_backend`).

    Of several engines one must be there; the others are tried again later.
    """
    limits = limits or Limits()
    wanted = Wanted(options.ctx, options.template)
    found = addresses(reference)
    keys = [key_for(address, os.environ) for address in found]
    loop = Loop()
    pool = Pool([Member(Client(address, key, loop, limits), wanted) for address, key in zip(found, keys, strict=True)])
    try:
        _look(pool, reference, limits, lambda: options.progress("resolving", 0.0))
        options.progress("loading", 1.0)
        return RemoteBackend(loop, pool, limits)
    except BaseException:
        loop.close(pool.close())
        raise


def _look(pool: Pool, reference: str, limits: Limits, go_on: Callable[[], bool]) -> None:
    """Look at every engine once, and again while one only has to load its model."""
    until = time.monotonic() + limits.load
    while True:
        failure: ModelUnavailable | None = None
        loading = False
        for member in pool.members:
            if not go_on():
                raise EngineClosed
            try:
                member.look()
            except Failure as fault:
                error = while_opening(fault, masked(reference))
                if isinstance(fault, Refused) and not fault.passing:
                    raise error from None
                failure = failure or error
                pool.lost(member)
                loading = loading or isinstance(fault, Refused)
        if failure is None or pool.engines():
            return
        if not loading or time.monotonic() > until:
            raise failure
        time.sleep(limits.pause)
