"""The vocabulary of a model that runs elsewhere, as the prompt encoder wants it (see `backends.encoder.Vocabulary`)."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from backends.remote.tokenizers import Tokenizer

# What a control token may look like: <|im_end|>, </s>, <start_of_turn>, [INST].
_CANDIDATE = re.compile(r"<[^<>\s]{1,80}>|\[[^\[\]\s]{1,40}\]")
_REMEMBERED = 512


class Vocabulary:
    """Asks a tokenizer, and remembers the bytes of every token that it has seen. `bos` and `eos` are texts."""

    def __init__(self, tokenizer: Tokenizer, bos: str, eos: str) -> None:
        self._tokenizer = tokenizer
        self._spelled: dict[int, bytes] = {}
        begin = tokenizer.begin()
        self.add_bos = bool(begin)
        self.bos = begin[0] if begin else self._token(bos)
        self.eos = self._token(eos)
        self.control = _Finder(tokenizer) if tokenizer.plain else None
        self._spelled.setdefault(self.bos, bos.encode())
        plain = self.read("a", special=False)
        leads = bool(plain) and self._spelled[plain[0]][:1] == b" "
        self._lead = self.read("\n", special=False) if leads else ()

    @property
    def spelled(self) -> Mapping[int, bytes]:
        """Token id -> its bytes, for the tokens that were read."""
        return self._spelled

    def text(self, token: int) -> str:
        """See `backends.encoder.Vocabulary`."""
        return self._spelled.get(token, b"").decode("utf-8", "replace") if token >= 0 else ""

    def read(self, text: str, special: bool) -> tuple[int, ...]:
        """See `backends.encoder.Vocabulary`."""
        if not text:
            return ()
        cut = self._tokenizer.read(text, special)
        # Without pieces every token is taken to be as long as any other: the ends of messages become estimates.
        pieces = cut.pieces or (b" " * max(1, len(text.encode()) // max(1, len(cut.tokens))),) * len(cut.tokens)
        self._spelled.update(zip(cut.tokens, pieces, strict=True))
        return cut.tokens

    def read_exactly(self, text: str, special: bool) -> tuple[int, ...]:
        """See `backends.encoder.Vocabulary`: where a space would be put in front, a line feed is, and taken off."""
        if self._lead and (tokens := self.read("\n" + text, special))[: len(self._lead)] == self._lead:
            return tokens[len(self._lead) :]
        return self.read(text, special)

    def _token(self, text: str) -> int:
        tokens = self.read(text, special=True)
        return tokens[0] if len(tokens) == 1 else -1


class _Finder:
    """Finds control tokens in messages: what looks like one, and is read in another way as plain text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, bool] = {}
        self._recent: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def finditer(self, text: str, start: int, end: int, /) -> Iterator[re.Match[str]]:
        """See `backends.encoder.Finder`."""
        content = text[start:end]
        found = self._found(content) if _CANDIDATE.search(content) else ()
        if not found:
            return iter(())
        return re.compile("|".join(map(re.escape, found))).finditer(text, start, end)

    def _found(self, content: str) -> tuple[str, ...]:
        with self._lock:
            if content in self._recent:
                self._recent.move_to_end(content)
                return self._recent[content]
        pieces = {piece.decode("utf-8", "replace") for piece in self._tokenizer.read(content, special=True).pieces}
        found = tuple(sorted(filter(self._is_control, pieces), key=len, reverse=True))
        with self._lock:
            self._recent[content] = found
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return found

    def _is_control(self, piece: str) -> bool:
        if not _CANDIDATE.fullmatch(piece):
            return False
        if piece not in self._known:
            read = self._tokenizer.read
            self._known[piece] = read(piece, special=True).tokens != read(piece, special=False).tokens
        return self._known[piece]
