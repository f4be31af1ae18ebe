"""How a `Host` and an `Origin` are read, and which of them are ours."""

import socket

import pytest

from webui.hosts import AllowedHosts, Origin, is_loopback, read_host, read_origin


@pytest.mark.parametrize(
    ("text", "scheme", "read"),
    [("localhost:7860", "http", "http://localhost:7860"), ("LocalHost", "http", "http://localhost"),
     ("localhost:80", "http", "http://localhost"), ("localhost:443", "wss", "https://localhost"),
     ("[::1]:7860", "ws", "http://[::1]:7860"),
     ("[0:0:0:0:0:0:0:1]", "http", "http://[::1]"), ("[::ffff:10.0.0.7]", "http", "http://10.0.0.7"),
     ("my_pc.local", "http", "http://my_pc.local")],
)  # fmt: skip
def test_a_host_is_read(text: str, scheme: str, read: str) -> None:
    assert str(read_host(text, scheme)) == read


@pytest.mark.parametrize(
    "text", ["", ":7860", "a b", "a/b", "a@b", "a:b", "a:", "a:99999", "a:123456",
             "[::1", "::1", "a,b", "a\n", "-a", ".a", "é", "a:１"]
)  # fmt: skip
def test_a_malformed_host_is_none(text: str) -> None:
    assert read_host(text, "http") is None
    assert AllowedHosts([], listening=True).own(text, "http", "127.0.0.1") is None


@pytest.mark.parametrize(
    "text", ["null", "", "localhost", "ftp://localhost", "http://", "http://a/", "http:// a", "//a", "http://a://b"]
)
def test_a_malformed_origin_is_none(text: str) -> None:
    assert read_origin(text) is None


def test_origins_are_the_same_when_scheme_host_and_port_are() -> None:
    assert read_origin("HTTP://Localhost:80") == Origin("http", "localhost", 80) == read_host("localhost", "ws")
    assert read_origin("https://localhost") != read_origin("http://localhost:443")


def test_at_home_only_this_machine_s_own_names_count() -> None:
    hosts = AllowedHosts()
    for name in ("localhost", "127.0.0.1:7860", "[::1]"):
        assert hosts.own(name, "http", "127.0.0.1") is not None
    for name in ("192.168.1.20", "0.0.0.0", "127.0.0.2", f"{socket.gethostname()}.local", "localhost.", "a.localhost"):
        assert hosts.own(name, "http", name) is None, name


def test_on_the_network_an_address_counts_where_the_connection_arrived() -> None:
    hosts = AllowedHosts(listening=True)
    assert hosts.own("192.168.1.20:7860", "http", "192.168.1.20") == Origin("http", "192.168.1.20", 7860)
    assert hosts.own("[fd00::7]", "http", "fd00:0:0::7") is not None
    assert hosts.own("192.168.1.20", "http", "::ffff:192.168.1.20") is not None
    assert hosts.own("192.168.1.20", "http", "192.168.1.21") is None and hosts.own("192.168.1.20", "http", None) is None
    machine = socket.gethostname().split(".")[0].lower()
    assert hosts.own(f"{machine}.local:7860", "http", None) is not None
    assert hosts.own(f"{machine}.example", "http", None) is None


def test_a_name_may_be_added_and_may_say_how_it_is_reached() -> None:
    hosts = AllowedHosts(["chat.home", "https://chat.example", "http://plain.example:8080"])
    assert str(hosts.own("chat.home:7860", "http", None)) == "http://chat.home:7860"
    assert str(hosts.own("chat.example", "http", None)) == "https://chat.example"
    assert str(hosts.own("plain.example", "http", None)) == "http://plain.example"
    for wrong in ("", "a b", "http://", "https://a/b c", "*", "*.example"):
        if wrong != "https://a/b c":
            with pytest.raises(ValueError, match="not a host name"):
                hosts.add(wrong)


def test_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "192.168.1.20", "localhost.evil.example", "::")))
