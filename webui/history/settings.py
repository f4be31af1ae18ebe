"""Settings of an account, as JSON."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from webui.errors import NotFound
from webui.history.tables import ACCOUNT, SETTING
from webui.history.text import storable
from webui.history.upsert import upsert


def read(connection: Connection, account: int, key: str, default: Any) -> Any:
    """Return a setting, `default` where there is none."""
    mine = (SETTING.c.account_id == account, SETTING.c.key == key)
    kept = connection.execute(select(SETTING.c.value).where(*mine)).scalar()
    return default if kept is None else json.loads(kept)


def write(connection: Connection, account: int, key: str, value: Any) -> None:
    """Keep a setting. Raises `NotFound` (account)."""
    if connection.execute(select(ACCOUNT.c.id).where(ACCOUNT.c.id == account)).first() is None:
        raise NotFound(what="account")
    kept = storable(json.dumps(value, ensure_ascii=False))
    upsert(connection, SETTING, [{"account_id": account, "key": key, "value": kept}])
