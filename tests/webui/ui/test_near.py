"""A page on the model's own machine is told from one elsewhere by the address that it comes from."""

from types import SimpleNamespace
from typing import Any

import pytest

from webui.ui.session import _is_near


@pytest.mark.parametrize(
    ("client", "server", "near"),
    [
        ("127.0.0.1", ("127.0.0.1", 7860), True),
        ("192.168.1.2", ("192.168.1.2", 7860), True),
        ("192.168.1.7", ("192.168.1.2", 7860), False),
        ("192.168.1.7", None, False),
        (None, ("127.0.0.1", 7860), False),
    ],
)
def test_near(client: str | None, server: tuple[str, int] | None, near: bool) -> None:
    socket: Any = SimpleNamespace(client=client and SimpleNamespace(host=client), scope={"server": server})
    assert _is_near(socket) is near
