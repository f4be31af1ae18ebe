"""The mask over the tokens: which of them may come next, so that the reply keeps to its shape."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import llguidance
import numpy as np
from numpy.typing import NDArray

from backends.constraints import SHAPES, Constraint
from backends.encoder import Prepared
from backends.errors import EngineFailed, InvalidConstraint, UnsupportedParameter
from backends.guiding.places import place
from backends.values import ChatPrompt, Request
from backends.words import Writing

_REMEMBERED = 8
_UNFIT = "the beginning of the reply does not fit"


class Words(Writing, Protocol):
    """What must be known of a model's vocabulary."""

    def read_exactly(self, text: str, special: bool) -> tuple[int, ...]:
        """Return the tokens of `text`."""


class Guides:
    """Makes the guides of one model. Its tokens are laid out for the library once, at the first request that needs it.

    Every method may be called from any thread.
    """

    def __init__(self, words: Words, engine: str) -> None:
        self._words, self._engine = words, engine
        self._tokenizer: llguidance.LLTokenizer | None = None
        self._matchers: OrderedDict[Constraint, llguidance.LLMatcher] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def shapes(self) -> frozenset[str]:
        """The kinds of shapes that can be kept to: none where the model cannot end its turn."""
        return frozenset(SHAPES) if self._words.ends else frozenset()

    @property
    def reasons(self) -> dict[str, str]:
        """Why the others cannot, as in `Capabilities.reasons`."""
        code = UnsupportedParameter().code
        return {f"constraint.{shape}": code for shape in SHAPES if shape not in self.shapes}

    def begin(self, request: Request, prepared: Prepared) -> Guide | None:
        """Return the guide of a request, None for one without a shape.

        Raises `InvalidConstraint` (see `guide`) and `UnsupportedParameter`.
        """
        constraint, prompt = request.constraint, request.prompt
        if constraint is None:
            return None
        if constraint.kind not in self.shapes:
            raise UnsupportedParameter(name=constraint.name, engine=self._engine)
        prefix = prompt.prefix if isinstance(prompt, ChatPrompt) else ""
        return self.guide(constraint, prefix, prepared.think, prepared.thinking)

    def guide(self, constraint: Constraint, prefix: str = "", think: tuple[str, str] | None = None,
              thinking: bool = False) -> Guide:  # fmt: skip
        """Return a guide for a reply that begins with `prefix`.

        `think` are the tags of the model's thinking, which has no shape; `thinking`: it is under way already.
        Raises `InvalidConstraint` for a shape too large to be kept to, and a prefix that does not fit.
        """
        with self._lock:
            matcher = self._matcher(constraint)
        opening = None
        if think is not None and thinking:
            prefix = ""
        elif think is not None and not prefix:
            tag = self._words.read_exactly(think[0], special=True)
            opening = tag[0] if len(tag) == 1 else None
        _take_text(matcher, self._words, constraint, _answer(prefix, think))
        closing = think[1].encode() if think is not None else b""
        return Guide(matcher, self._words, opening, closing, thinking and think is not None)

    def _matcher(self, constraint: Constraint) -> llguidance.LLMatcher:
        if constraint in self._matchers:
            self._matchers.move_to_end(constraint)
            return self._matchers[constraint].deep_copy()
        if self._tokenizer is None:
            self._tokenizer = _tokenizer(self._words)
        matcher = llguidance.LLMatcher(self._tokenizer, constraint.grammar(), log_level=0)
        if matcher.is_error():
            said = matcher.get_error().partition("<state>")[0].strip().partition("\n")[0]
            raise InvalidConstraint(kind=constraint.kind, where="1:1", reason=said)
        self._matchers[constraint] = matcher
        while len(self._matchers) > _REMEMBERED:
            self._matchers.popitem(last=False)
        return matcher.deep_copy()


class Guide:
    """Follows one reply token by token. Belongs to one thread at a time."""

    def __init__(self, matcher: llguidance.LLMatcher, words: Words, opening: int | None = None, closing: bytes = b"",
                 thinking: bool = False) -> None:  # fmt: skip
        self._matcher, self._words = matcher, words
        self._opening, self._closing = opening, closing
        self._thinking, self._thought = thinking, b""
        self._bits = np.zeros((words.size + 31) // 32, np.uint32)

    def allowed(self) -> NDArray[np.bool_]:
        """Return for every token whether it may come next. Raises `EngineFailed`.

        The tokens that end a turn are among them only where the reply may end; so they are not while the model thinks.
        """
        if self._thinking:
            free = np.ones(self._words.size, np.bool_)
            free[list(self._words.ends)] = False
            return free
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        if self._matcher.is_error():
            raise EngineFailed(reason=f"the shape of the answer is too much: {self._matcher.get_error()[:200]}")
        found = np.unpackbits(self._bits.view(np.uint8), count=self._words.size, bitorder="little").view(np.bool_)
        if self._opening is not None:
            found[self._opening] = True
        return found

    def take(self, token: int) -> None:
        """Note the token that was drawn. Raises `EngineFailed` for one that was not allowed."""
        if self._thinking:
            self._think(token)
        elif token == self._opening:
            self._thinking = True
        elif not self._matcher.consume_token(token):
            raise EngineFailed(reason="no token is left")
        self._opening = None

    def copy(self) -> Guide:
        """Return another guide in the same state, which goes on by itself."""
        made = Guide(self._matcher.deep_copy(), self._words, self._opening, self._closing, self._thinking)
        made._thought = self._thought
        return made

    def _think(self, token: int) -> None:
        self._thought += self._words.spelled[token]
        _, closed, rest = self._thought.partition(self._closing)
        if closed:
            self._thinking, self._thought = False, b""
            if rest.strip():
                _consume(self._matcher, self._words.read_exactly(rest.decode("utf-8", "replace"), special=False))
        else:
            self._thought = self._thought[-len(self._closing) :]


def _answer(prefix: str, think: tuple[str, str] | None) -> str:
    """Return the part of a prefix that is no thinking."""
    if think is not None and think[1] in prefix:
        return prefix.partition(think[1])[2].lstrip()
    return prefix


def _take_text(matcher: llguidance.LLMatcher, words: Words, constraint: Constraint, text: str) -> None:
    tokens = words.read_exactly(text, special=False) if text else ()
    taken = _consume(matcher, tokens)
    if taken < len(tokens):
        reached = b"".join(map(words.spelled.__getitem__, tokens[:taken])).decode("utf-8", "replace")
        raise InvalidConstraint(kind=constraint.kind, where=place(text, len(reached)), reason=_UNFIT)


def _consume(matcher: llguidance.LLMatcher, tokens: Sequence[int]) -> int:
    """Let the matcher take as many of the tokens as fit; return their number."""
    return matcher.try_consume_tokens(list(tokens)) if tokens else 0


def _tokenizer(words: Words) -> llguidance.LLTokenizer:
    described: Any = llguidance.TokenizerWrapper(_Described(words))
    return llguidance.LLTokenizer(described, n_vocab=words.size, eos_token=sorted(words.ends))


class _Described:
    """A vocabulary as the library wants it: bytes of every token, the special ones named."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self.tokens = [words.spelled[token] for token in range(words.size)]
        self.special_token_ids = [
            token
            for token in range(words.size)
            if token in words.ends or (self.tokens[token] and not words.pieces[token])
        ]
        self.eos_token_id, self.bos_token_id = min(words.ends), None

    def __call__(self, data: bytes | str) -> list[int]:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        return list(self._words.read_exactly(text, special=False))
