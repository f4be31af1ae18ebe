"""By which names browsers may reach this server, and what counts as the same origin.

A page of somebody else can point its own name at our address (DNS rebinding), so a `Host` that is not ours is refused
before any handler. A `Host` that is an IP address cannot be rebound: it is ours when it is the address that the
connection really arrived at. Asking the socket and not a list made at the start keeps a laptop reachable after it
has moved to another network.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_HOST = re.compile(
    r"(?P<name>[a-z0-9_][a-z0-9_.-]*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE | re.ASCII
)
_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_SECURE: Mapping[str, str] = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOME_DOMAINS = ("", ".local", ".lan", ".home.arpa")
"""What home routers and mDNS append to a machine's name; none of them can be bought by an attacker."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, lower-case host without brackets, and port. Two pages are of one origin when all three are equal."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a URL; the port of the scheme itself is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def read_origin(text: str) -> Origin | None:
    """Read an `Origin` header such as `http://192.168.1.5:7860`. None for `null` and all that is malformed."""
    scheme, separator, host = text.partition("://")
    scheme = scheme.lower()
    return read_host(host, scheme) if separator and scheme in _DEFAULT_PORTS else None


def read_host(text: str, scheme: str) -> Origin | None:
    """Read a `Host` header under `scheme` (http, https, ws or wss). None when it is malformed."""
    found, scheme = _HOST.fullmatch(text), _SECURE.get(scheme, "")
    if found is None or not scheme:
        return None
    port = int(found["port"]) if found["port"] else _DEFAULT_PORTS[scheme]
    name = found["name"].lower().strip("[]")
    return Origin(scheme, _plain(name), port) if port <= 65535 else None


class AllowedHosts:
    """The names of this server. `add` may be called from any thread."""

    def __init__(self, names: Iterable[str] = (), *, listening: bool = False) -> None:
        """Allow the loopback names and `names`; with `listening` this machine's own name and addresses too.

        A name may be given as a URL: `https://chat.example` says that a proxy in front speaks https.
        """
        own = [f"{_machine()}{domain}" for domain in _HOME_DOMAINS] if listening else []
        self._listening = listening
        self._schemes: dict[str, str] = dict.fromkeys((*_LOOPBACK, *own), "")
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Allow one more name or URL. Raises ValueError when it is malformed."""
        url = urlsplit(name if "://" in name else f"//{name}")
        origin = read_host(url.netloc, url.scheme or "http")
        if origin is None:
            raise ValueError(f"not a host name: {name!r}")
        self._schemes = {**self._schemes, origin.host: url.scheme}

    def own(self, host: str, scheme: str, server: str | None) -> Origin | None:
        """Return the origin that a `Host` header names, or None when it is not one of ours.

        `server` is the address at which the connection arrived.
        """
        origin = read_host(host, scheme)
        if origin is None:
            return None
        if origin.host not in self._schemes:
            return (
                origin if self._listening and _is_address(origin.host) and origin.host == _plain(server or "") else None
            )
        fixed = self._schemes[origin.host]
        return read_host(host, fixed) if fixed else origin


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, so that nobody else can come by it."""
    host = host.lower().strip("[]")
    return host in _LOOPBACK or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _machine() -> str:
    return socket.gethostname().split(".")[0].lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(host: str) -> str:
    """Write an IP address in its one usual form, an IPv4 address inside IPv6 as IPv4; leave names as they are."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
