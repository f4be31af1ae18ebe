"""Where this server is on the network: its addresses at home, their QR code, and whether a port is free."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping

import psutil
import segno

from backends.errors import SamovarError
from webui.errors import PortInUse
from webui.hosts import Origin, is_loopback


class AddressUnusable(SamovarError):
    """Nothing can be served there: no such address here, or a port that is kept to the system. Details: address, port,
    reason.
    """

    message = "Samovar cannot serve on {address}, port {port}: {reason}."


_VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "vEthernet", "zt", "tailscale", "tun", "tap", "utun")
_HOME_NETWORKS = tuple(map(ipaddress.ip_network, ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12")))


def lan_addresses() -> list[str]:
    """Return this machine's IPv4 addresses that others may reach, the likeliest to be the home network first."""
    running = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = {
        name: [entry.address for entry in entries if entry.family == socket.AF_INET]
        for name, entries in psutil.net_if_addrs().items()
        if name in running
    }
    return rank_addresses(found)


def rank_addresses(interfaces: Mapping[str, Iterable[str]]) -> list[str]:
    """Order the addresses of named interfaces: home networks first, those of containers and tunnels last."""
    ranked: list[tuple[bool, int, int, str]] = []
    for name, addresses in interfaces.items():
        for text in addresses:
            address = ipaddress.IPv4Address(text)
            if address.is_loopback or address.is_link_local or address.is_unspecified:
                continue
            home = next((at for at, network in enumerate(_HOME_NETWORKS) if address in network), len(_HOME_NETWORKS))
            ranked.append((name.startswith(_VIRTUAL), home, int(address), text))
    return [text for *_, text in sorted(ranked)]


def family_url(address: str, port: int) -> str | None:
    """Return the URL to give to the family when the server is bound to `address`; None when only this machine can.

    `0.0.0.0` and `::` mean every address: then it is the likeliest one of the home network.
    """
    host = address.strip("[]")
    if not host or is_loopback(host):
        return None
    if host in ("0.0.0.0", "::"):
        host = next(iter(lan_addresses()), "")
    return str(Origin("http", host.lower(), port)) if host else None


def check_port(address: str, port: int) -> None:
    """Raise `PortInUse` when somebody serves there, `AddressUnusable` when nothing can; port 0 is always free."""
    host = address.strip("[]")
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                # As the server does: a port that was closed a moment ago is free. (Windows would share it.)
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(port=port) from error
        raise AddressUnusable(address=address, port=port, reason=error.strerror or str(error)) from error


def qr_svg(url: str, title: str) -> str:
    """Return the QR code of a URL as an `<svg>` to stand in a page; its colours come from the page's CSS."""
    code = segno.make(url, error="m", micro=False)
    return str(code.svg_inline(scale=4, border=2, svgclass="qr", lineclass=None, omitsize=True, title=title))
