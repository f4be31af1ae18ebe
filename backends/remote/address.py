"""Addresses of engines: what stands in a model reference, and what of it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from backends.errors import ModelNotFound

HIDDEN = "***"

_SEPARATOR = re.compile(r"\s*,\s*(?=https?://)", re.IGNORECASE)
_USER = re.compile(r"(?<=//)[^?#,]*@")
_VALUE = re.compile(r"(?<==)[^&#]+")
_QUERY = re.compile(r"\?[^#]*")
# People paste what the documentation of their engine shows.
_ENDPOINT = re.compile(r"(?:/v1(?:/(?:chat/)?completions|/models)?)?/*\Z")
_HOST = re.compile(r"[\w.:-]+\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """Where one engine answers: `root` is the URL in front of /v1, without credentials.

    `model` is the name behind the `#`, "" = the engine's first. `user`, `password` and `query` are secret.
    """

    root: str
    model: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def host(self) -> str:
        """The host and its port, as they stand in the URL."""
        return urlsplit(self.root).netloc

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(value for value in (self.password, *(value for _, value in self.query)) if value)


def masked(reference: str) -> str:
    """Return a reference with nothing secret in it: credentials and the values of the query are hidden."""
    return ",".join(_masked(part) for part in _SEPARATOR.split(reference))


def _masked(reference: str) -> str:
    if "://" not in reference:
        return reference
    shown = _USER.sub(f"{HIDDEN}@", reference)
    return _QUERY.sub(lambda found: _VALUE.sub(HIDDEN, found[0]), shown)


def addresses(reference: str) -> tuple[Address, ...]:
    """Return the engines that a reference names, apart by commas. Raises `ModelNotFound` for what is no address."""
    try:
        found = [_address(part) for part in _SEPARATOR.split(reference.strip())]
    except ValueError:
        raise ModelNotFound(model=masked(reference)) from None
    return tuple(dict.fromkeys(found))


def _address(url: str) -> Address:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme.lower() not in ("http", "https") or not _HOST.match(host):
        raise ValueError(url)
    named = f"[{host}]" if ":" in host else host
    if port is not None:
        named += f":{port}"
    return Address(
        root=f"{parts.scheme.lower()}://{named}{_ENDPOINT.sub('', parts.path)}",
        model=unquote(parts.fragment),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
    )
