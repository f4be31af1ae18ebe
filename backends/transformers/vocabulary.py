"""The vocabulary of a model, read through the tokenizers library: text -> tokens -> bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from tokenizers import Tokenizer

_ENDS = frozenset((
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|endoftext|>", "<|end_of_text|>",
    "<end_of_turn>", "<|end_of_turn|>", "<turn|>", "<|END_OF_TURN_TOKEN|>", "<|eot|>", "<EOT>", "</s>", "<eos>",
))  # fmt: skip
"""Control tokens that end a turn, whatever a model's settings say: many settings name only the end of a document."""
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"


class Vocabulary:
    """What a loaded model calls its tokens. Every method may be called from any thread.

    `tokenizer` is transformers' own, `rows` how many tokens the weights know, `ends` the ids of the model's settings
    that end a reply. Raises `ValueError` for a kind of tokenizer whose tokens cannot be told as bytes.
    """

    def __init__(self, tokenizer: Any, rows: int, ends: frozenset[int] = frozenset()) -> None:
        reader = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(reader, Tokenizer):
            raise ValueError("its tokenizer is not one of the tokenizers library")
        described = reader.to_str()
        self._reader: Any = reader
        # A second one, as which texts are read as control tokens is a setting of the whole tokenizer.
        self._plain: Any = Tokenizer.from_str(described)
        self._plain.encode_special_tokens = True
        self.size = min(rows, reader.get_vocab_size(with_added_tokens=True))
        self._spell(json.loads(described))
        self.bos, self.eos = (self._id(tokenizer, name) for name in ("bos_token_id", "eos_token_id"))
        self.add_bos = self.bos >= 0 and reader.encode("", add_special_tokens=True).ids[:1] == [self.bos]
        self.ends = self._find_ends(ends)
        """The tokens by which the model ends its turn."""
        self.fingerprint = hashlib.sha256(f"{self.add_bos} {self.bos} {self.size} {described}".encode()).hexdigest()[
            :32
        ]
        """Equal for vocabularies that cut text alike."""
        self._lead = self._find_lead()

    def _id(self, tokenizer: Any, name: str) -> int:
        token = getattr(tokenizer, name, None)
        return token if isinstance(token, int) and token < self.size else -1

    def _spell(self, described: Mapping[str, Any]) -> None:
        """Tell every token as bytes, and find the control tokens among the added ones."""
        bytes_of = _speller(described)
        texts = {token: text for text, token in self._reader.get_vocab(with_added_tokens=True).items()}
        added = {each["id"]: each for each in described.get("added_tokens", ())}
        self._control = frozenset(token for token, each in added.items() if each["special"])
        spelled, pieces = [], []
        for token in range(self.size):
            if token in added:
                data = added[token]["content"].encode("utf-8", "replace")
            else:
                data = bytes_of(texts.get(token, ""))
            spelled.append(data)
            pieces.append(b"" if token in self._control else data)
        self.spelled: Mapping[int, bytes] = dict(enumerate(spelled))
        """Token id -> its bytes, control tokens spelled out."""
        self.pieces: Mapping[int, bytes] = dict(enumerate(pieces))
        """Token id -> the bytes it writes; control tokens write none."""
        self.marks = frozenset(each["content"] for each in added.values())
        """The texts of the tokens that are no piece of ordinary text: control tokens and added ones."""
        special = sorted((added[token]["content"] for token in self._control), key=len, reverse=True)
        self.control = re.compile("|".join(map(re.escape, special))) if special else None
        """Finds the texts that would be read as control tokens."""

    def _find_ends(self, named: frozenset[int]) -> frozenset[int]:
        known = {token for token in self._control if token < self.size and self.text(token) in _ENDS}
        return frozenset(token for token in {*named, *known, self.eos} if 0 <= token < self.size)

    def _find_lead(self) -> tuple[int, ...]:
        """Return the tokens of a lone line feed if this tokenizer puts a space before a text, else nothing."""
        plain = self.read("a", special=False)
        return self.read("\n", special=False) if plain and self.spelled[plain[0]][:1] == b" " else ()

    def text(self, token: int) -> str:
        """Return a token spelled out; "" for the absent token -1."""
        return self.spelled[token].decode("utf-8", "replace") if token >= 0 else ""

    def read(self, text: str, special: bool) -> tuple[int, ...]:
        """Return the tokens of `text`; `special` reads the texts of control tokens as those tokens.

        Nothing is added in front or behind, but some tokenizers (SentencePiece) put a space before the text.
        """
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
        reader = self._reader if special else self._plain
        tokens: list[int] = reader.encode(text, add_special_tokens=False).ids
        if max(tokens, default=0) >= self.size:
            # A token that was added to the tokenizer and not to the weights: the model cannot read it.
            return self._apart(text) if not special else self.read(text, special=False)
        if not special and self.control and not self._control.isdisjoint(tokens) and self.control.search(text):
            return self._apart(text)
        return tuple(tokens)

    def _apart(self, text: str) -> tuple[int, ...]:
        """Read a text whose pieces the tokenizer takes for control tokens: cut within each, after its first letter.

        Some vocabularies have control tokens among their ordinary pieces.
        """
        found = self.control.search(text) if self.control else None
        if found is None or len(found[0]) < 2:
            return tuple(token for token in self._plain.encode(text, add_special_tokens=False).ids if token < self.size)
        cut = found.start() + 1
        return self.read(text[:cut], special=False) + self.read_exactly(text[cut:], special=False)

    def read_exactly(self, text: str, special: bool) -> tuple[int, ...]:
        """Return the tokens of `text` as `read` does, with no space put in front by any tokenizer.

        Where the tokenizer would do so, a line feed is read before the text and taken off again.
        """
        if self._lead and (tokens := self.read("\n" + text, special))[: len(self._lead)] == self._lead:
            return tokens[len(self._lead) :]
        return self.read(text, special)

    def spell(self, tokens: tuple[int, ...]) -> bytes:
        """Return the bytes of `tokens`, control tokens spelled out."""
        return b"".join(map(self.spelled.__getitem__, tokens))


def _speller(described: Mapping[str, Any]) -> Any:
    """Return what turns the text of an ordinary token into its bytes, by the tokenizer's own decoder.

    Byte-level BPE (GPT-2, Llama 3, Qwen) writes every byte as a letter; SentencePiece (Llama 2, Mistral, Gemma) writes
    a space as a block, and a byte that is no text of its own as <0x0A>.
    """
    kinds = set(_kinds(described.get("decoder") or {}))
    if "ByteLevel" in kinds:
        letters = byte_letters()
        return lambda text: b"".join(letters.get(letter, letter.encode()) for letter in text)
    if kinds & {"ByteFallback", "Metaspace"}:
        return _sentencepiece
    raise ValueError(f"its tokenizer ({', '.join(sorted(kinds)) or 'without a decoder'}) does not tell bytes")


def _kinds(decoder: Mapping[str, Any]) -> list[str]:
    inner = decoder.get("decoders", ())
    return [str(decoder.get("type", "")), *(kind for each in inner for kind in _kinds(each))]


def _sentencepiece(text: str) -> bytes:
    byte = _BYTE.fullmatch(text)
    return bytes([int(byte[1], 16)]) if byte else text.replace(_SPACE, " ").encode("utf-8", "replace")


@cache
def byte_letters() -> Mapping[str, bytes]:
    """Return byte-level BPE's letters: those that print stand for themselves, the others follow from 256 on (GPT-2)."""
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return {chr(byte if byte in printing else next(others)): bytes([byte]) for byte in range(0x100)}
