"""Settings of an account, as JSON."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, bindparam, select

from webui.errors import NotFound
from webui.history.tables import ACCOUNT, SETTING
from webui.history.text import storable
from webui.history.upsert import upsert

# Made once, as the making takes longer than the asking.
_KEPT = select(SETTING.c.value).where(SETTING.c.account_id == bindparam("account"), SETTING.c.key == bindparam("name"))


def read(connection: Connection, account: int, key: str, default: Any) -> Any:
    """Return a setting, `default` where there is none."""
    kept = connection.execute(_KEPT, {"account": account, "name": key}).scalar()
    return default if kept is None else json.loads(kept)


def write(connection: Connection, account: int, key: str, value: Any) -> None:
    """Keep a setting. Raises `NotFound` (account)."""
    if connection.execute(select(ACCOUNT.c.id).where(ACCOUNT.c.id == account)).first() is None:
        raise NotFound(what="account")
    kept = storable(json.dumps(value, ensure_ascii=False))
    upsert(connection, SETTING, [{"account_id": account, "key": key, "value": kept}])
