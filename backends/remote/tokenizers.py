"""Tokenizers that are asked over HTTP: text -> tokens and their bytes -> text, in the dialects of the engines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backends.remote.client import Client
from backends.remote.failures import UNREADABLE, Refused
from backends.remote.frames import Json

_SAMPLE = "The kettle sings; Чайник поёт 12345 раз!\n\tdef f(x): return x ** 2  # 茶壶 🫖 \u00e9\u0301"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>\Z")


@dataclass(frozen=True, slots=True)
class Cut:
    """A text in tokens; `pieces` are their bytes, empty if the engine does not tell them."""

    tokens: tuple[int, ...]
    pieces: tuple[bytes, ...] = ()


class Tokenizer(Protocol):
    """The tokenizer of an engine. Every call goes over the network; raises `Lost` and `Refused`."""

    @property
    def plain(self) -> bool:
        """Whether the texts of control tokens can be read as plain text."""

    def read(self, text: str, special: bool) -> Cut:
        """Return the tokens of a text; `special` reads the texts of control tokens as those tokens."""

    def begin(self) -> tuple[int, ...]:
        """Return the tokens that the engine puts before a text."""

    def write(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, control tokens spelled out."""


class LlamaServerTokenizer:
    """llama-server: /tokenize and /detokenize (llama.cpp, tools/server/README.md)."""

    plain = True

    def __init__(self, client: Client, model: str) -> None:
        self._client, self._model = client, model

    def read(self, text: str, special: bool) -> Cut:
        """See `Tokenizer.read`."""
        return self._read({"content": text, "add_special": False, "parse_special": special, "with_pieces": True})

    def begin(self) -> tuple[int, ...]:
        """See `Tokenizer.begin`."""
        body = {"content": "a", "parse_special": False, "with_pieces": True}
        whole, bare = self._read({**body, "add_special": True}), self._read({**body, "add_special": False})
        at = len(whole.tokens) - len(bare.tokens)
        return whole.tokens[:at] if at > 0 and whole.tokens[at:] == bare.tokens else ()

    def write(self, tokens: Sequence[int]) -> str:
        """See `Tokenizer.write`."""
        return _text(self._client.ask("POST", "/detokenize", {"model": self._model, "tokens": list(tokens)}), "content")

    def _read(self, body: Json) -> Cut:
        found = self._client.ask("POST", "/tokenize", {"model": self._model, **body})
        items = found.get("tokens") if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise Refused(UNREADABLE)
        return Cut(_ids(item.get("id") for item in items), tuple(_piece(item.get("piece")) for item in items))


class OpenTokenizer:
    """vLLM, SGLang and Samovar: a text or a dialogue to /tokenize, tokens to /detokenize, below `prefix`.

    `strict`: it takes no field that it does not need (Samovar), and tells only the tokens.
    """

    plain = False

    def __init__(self, client: Client, model: str, prefix: str = "", strict: bool = False) -> None:
        self._client, self._model, self._prefix = client, model, prefix
        self._strict = strict
        self._more: Mapping[str, Any] = {} if strict else {"return_token_strs": True}

    def read(self, text: str, special: bool) -> Cut:  # noqa: ARG002
        """See `Tokenizer.read`: `special` has no influence."""
        return self._read({"prompt": text, **self._if_lax(add_special_tokens=False), **self._more})

    def begin(self) -> tuple[int, ...]:
        """See `Tokenizer.begin`."""
        if self._strict:
            return ()
        whole, bare = self._read({"prompt": "a"}), self._read({"prompt": "a", "add_special_tokens": False})
        at = len(whole.tokens) - len(bare.tokens)
        return whole.tokens[:at] if at > 0 and whole.tokens[at:] == bare.tokens else ()

    def write(self, tokens: Sequence[int]) -> str:
        """See `Tokenizer.write`."""
        body = {"model": self._model, "tokens": list(tokens), **self._if_lax(skip_special_tokens=False)}
        return _text(self._client.ask("POST", f"{self._prefix}/detokenize", body), "prompt", "text")

    def chat(self, messages: Sequence[Mapping[str, str]]) -> Cut:
        """Return a dialogue as the engine's template lays it out, with the assistant's turn opened."""
        return self._read({"messages": list(messages), **self._if_lax(add_generation_prompt=True), **self._more})

    def _if_lax(self, **fields: Any) -> Mapping[str, Any]:
        return {} if self._strict else fields

    def _read(self, body: Mapping[str, Any]) -> Cut:
        found = self._client.ask("POST", f"{self._prefix}/tokenize", {"model": self._model, **body})
        items = found.get("tokens") if isinstance(found, dict) else None
        if not isinstance(items, list):
            raise Refused(UNREADABLE)
        tokens, strings = _ids(items), found.get("token_strs")
        return Cut(tokens, spelled(strings) if isinstance(strings, list) and len(strings) == len(tokens) else ())


def fingerprint(tokenizer: Tokenizer) -> str:
    """Return a name that tokenizers share which cut a text with a little of everything alike."""
    cut = tokenizer.read(_SAMPLE, special=False)
    return hashlib.sha256(repr((cut.tokens, tokenizer.begin())).encode()).hexdigest()[:32]


def spelled(strings: Sequence[object]) -> tuple[bytes, ...]:
    """Return the bytes of tokens that are written as their vocabularies write them.

    SentencePiece has ▁ for a space and <0x0A> for a byte; byte-level BPE has a letter for every byte (GPT-2,
    encoder.py, bytes_to_unicode).
    """
    texts = [text if isinstance(text, str) else "" for text in strings]
    if any("\u2581" in text or _BYTE.match(text) for text in texts):
        return tuple(
            bytes([int(found[1], 16)]) if (found := _BYTE.match(text)) else text.replace("\u2581", " ").encode()
            for text in texts
        )
    letters = byte_letters()
    return tuple(
        bytes(letters[letter] for letter in text) if all(letter in letters for letter in text) else text.encode()
        for text in texts
    )


def byte_letters() -> Mapping[str, int]:
    """Return the letters of byte-level BPE: printable bytes stand for themselves, the others for 256 and more."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(others)}


def _ids(items: Any) -> tuple[int, ...]:
    ids = tuple(items)
    if not all(isinstance(item, int) for item in ids):
        raise Refused(UNREADABLE)
    return ids


def _piece(value: object) -> bytes:
    """Return a piece: a text, or a list of bytes where it is no valid UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return bytes(value)
    raise Refused(UNREADABLE)


def _text(found: object, *names: str) -> str:
    texts = [found[name] for name in names if isinstance(found.get(name), str)] if isinstance(found, dict) else []
    if not texts:
        raise Refused(UNREADABLE)
    return str(texts[0])
