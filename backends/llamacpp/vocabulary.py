"""The vocabulary of a model: text -> tokens -> bytes."""

from __future__ import annotations

import ctypes
import hashlib
import re

from llama_cpp import llama_cpp as native

_SPECIAL = native.LLAMA_TOKEN_ATTR_CONTROL | native.LLAMA_TOKEN_ATTR_UNKNOWN
_ADDED = _SPECIAL | native.LLAMA_TOKEN_ATTR_USER_DEFINED


class _Pieces(dict[int, bytes]):
    """Token id -> bytes, asked of the library once for each token."""

    def __init__(self, vocabulary: native.llama_vocab_p, special: bool) -> None:
        super().__init__()
        self._vocabulary, self._special = vocabulary, special

    def __missing__(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = native.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, self._special)
            if length >= 0:
                self[token] = piece = buffer.raw[:length]
                return piece
            size = -length


class Vocabulary:
    """What a loaded model calls its tokens. Every method may be called from any thread.

    Valid for as long as the model is loaded.
    """

    def __init__(self, model: native.llama_model_p) -> None:
        pointer = native.llama_model_get_vocab(model)
        if pointer is None or native.llama_vocab_type(pointer) == native.LLAMA_VOCAB_TYPE_NONE:
            raise ValueError("the file holds no tokenizer")
        self.pointer = pointer
        self.size = native.llama_vocab_n_tokens(pointer)
        self.pieces = _Pieces(pointer, special=False)
        """Token id -> the bytes it writes; control tokens write none."""
        self.spelled = _Pieces(pointer, special=True)
        """Token id -> its bytes, control tokens spelled out."""
        self.bos = native.llama_vocab_bos(pointer)
        self.eos = native.llama_vocab_eos(pointer)
        self.add_bos = bool(native.llama_vocab_get_add_bos(pointer)) and self.bos >= 0
        self._survey()
        self._lead = self._find_lead()

    def _survey(self) -> None:
        """Read every token once: for the hash, the ends of a turn, and the texts of control tokens."""
        digest, special, marks, ends = hashlib.sha256(), [], [], []
        digest.update(f"{self.size} {self.bos} {self.eos} {self.add_bos}".encode())
        for token in range(self.size):
            text = native.llama_vocab_get_text(self.pointer, token) or b""
            attributes = native.llama_vocab_get_attr(self.pointer, token)
            digest.update(b"%d %d %s\0" % (attributes, len(text), text))
            if native.llama_vocab_is_eog(self.pointer, token):
                ends.append(token)
            if text and attributes & _ADDED:
                marks.append(text.decode("utf-8", "replace"))
            if text and attributes & _SPECIAL:
                special.append(text.decode("utf-8", "replace"))
        self.ends = frozenset(ends)
        """The tokens by which the model ends its turn."""
        self.fingerprint = digest.hexdigest()[:32]
        """Equal for vocabularies that hold the same tokens in the same order."""
        self.marks = frozenset(marks)
        """The texts of the tokens that are no piece of ordinary text: control tokens and added ones."""
        special.sort(key=len, reverse=True)
        self.control = re.compile("|".join(map(re.escape, special))) if special else None
        """Finds the texts that would be read as control tokens."""

    def _find_lead(self) -> tuple[int, ...]:
        """Return the tokens of a lone line feed if this tokenizer puts a space before a text, else nothing."""
        plain = self.read("a", special=False)
        return self.read("\n", special=False) if plain and self.spelled[plain[0]][:1] == b" " else ()

    def text(self, token: int) -> str:
        """Return a token spelled out; "" for the absent token -1."""
        return self.spelled[token].decode("utf-8", "replace") if token >= 0 else ""

    def read(self, text: str, special: bool) -> tuple[int, ...]:
        """Return the tokens of `text` in one call; `special` reads the texts of control tokens as those tokens.

        Nothing is added in front or behind, but some tokenizers (SentencePiece) put a space before the text.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            buffer = (native.llama_token * room)()
            count = native.llama_tokenize(self.pointer, data, len(data), buffer, room, False, special)
            if count >= 0:
                return tuple(buffer[:count])
            room = -count

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
