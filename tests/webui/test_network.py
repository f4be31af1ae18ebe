"""Whether a port is free, and under which address the family finds the server."""

import re
import socket
from collections.abc import Iterator

import pytest

from webui.errors import PortInUse
from webui.network import AddressUnusable, check_port, family_url, lan_addresses, qr_svg, rank_addresses


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody serves."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_in_use_is_told(taken: int, address: str) -> None:
    with pytest.raises(PortInUse) as refused:
        check_port(address, taken)
    assert refused.value.details == {"port": taken}


def test_a_port_that_was_closed_a_moment_ago_is_free(taken: int) -> None:
    with socket.create_connection(("127.0.0.1", taken)):
        pass
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    check_port("127.0.0.1", free)
    check_port("127.0.0.1", 0)


@pytest.mark.parametrize("address", ["192.0.2.1", "nowhere.invalid", "[2001:db8::1]"])
def test_an_address_that_is_not_ours_is_told(address: str) -> None:
    with pytest.raises(AddressUnusable) as refused:
        check_port(address, 7860)
    assert refused.value.details["address"] == address and refused.value.details["reason"]


def test_the_home_network_comes_first() -> None:
    interfaces = {
        "lo": ["127.0.0.1"], "docker0": ["172.17.0.1"], "tun0": ["10.8.0.2"], "eth0": ["203.0.113.5", "169.254.1.1"],
        "wlan0": ["192.168.1.20", "10.0.0.7"],
    }  # fmt: skip
    assert rank_addresses(interfaces) == ["192.168.1.20", "10.0.0.7", "203.0.113.5", "10.8.0.2", "172.17.0.1"]
    assert rank_addresses({"lo": ["127.0.0.1"]}) == []


def test_where_the_family_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.network.lan_addresses", lambda: ["192.168.1.20"])
    assert family_url("0.0.0.0", 7860) == family_url("[::]", 7860) == "http://192.168.1.20:7860"
    assert family_url("10.0.0.7", 80) == "http://10.0.0.7" and family_url("[fd00::7]", 7860) == "http://[fd00::7]:7860"
    assert [family_url(each, 7860) for each in ("127.0.0.1", "localhost", "::1", "127.8.8.8", "")] == [None] * 5
    monkeypatch.setattr("webui.network.lan_addresses", list)
    assert family_url("0.0.0.0", 7860) is None
    assert all(not each.startswith("127.") for each in lan_addresses())


def test_the_code_of_a_link_is_a_picture_that_runs_nothing() -> None:
    picture = qr_svg("http://192.168.1.20:7860/join/" + "x" * 76, 'A "title" <b>')
    assert picture.startswith("<svg") and 'class="qr"' in picture and "<title>" in picture
    assert "<b>" not in picture and not re.search(r"<script|\bon\w+=|href", picture)
