"""Keys for engines: where they come from, and how they are kept out of everything that is shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from backends.errors import ModelUnavailable
from backends.remote.address import HIDDEN, Address

VARIABLE = "SAMOVAR_API_KEY"
"""The environment variable with the key; with `_FILE` behind it, of a file that holds it."""

_SHORTEST = 4
_PRINTABLE = re.compile(r"[!-~]+\Z")


def key_for(address: Address, environ: Mapping[str, str]) -> str:
    """Return the key for an engine, "" if there is none.

    That of its host comes first: SAMOVAR_API_KEY_GPU_BOX_8000 for gpu-box:8000, or without the port; then
    SAMOVAR_API_KEY, each of them also as a file (…_FILE). Raises `ModelUnavailable` for one that cannot be used.
    """
    host, _, port = address.host.rpartition(":") if not address.host.endswith("]") else (address.host, "", "")
    named = [address.host, host] if port.isdigit() else [address.host]
    for name in (*(f"{VARIABLE}_{_shouted(part)}" for part in named if part), VARIABLE):
        if key := environ.get(name, "") or _read(environ.get(f"{name}_FILE", ""), address):
            return _usable(key.strip(), address)
    return ""


def authorization(address: Address, key: str) -> str:
    """Return the value of the header, "" for none: what stands in the address goes before the key."""
    if address.user or address.password:
        pair = f"{address.user}:{address.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()
    return f"Bearer {key}" if key else ""


class Secrets:
    """What must not be shown, taken out of what others say."""

    def __init__(self, values: Sequence[str]) -> None:
        known = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def hide(self, text: str) -> str:
        """Return the text without secrets."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _shouted(host: str) -> str:
    return re.sub(r"\W+", "_", host).strip("_").upper()


def _read(path: str, address: Address) -> str:
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ModelUnavailable(model=address.root, reason=f"the file with its key cannot be read: {said}") from None


def _usable(key: str, address: Address) -> str:
    if not _PRINTABLE.match(key):
        raise ModelUnavailable(model=address.root, reason="its key holds characters that no key has")
    return key
