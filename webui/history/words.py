"""What a person searches for, cut into words, and where a text has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MOST_WORDS = 12
LONGEST_WORD = 64
_SHORTEST_STEM = 4
_BEFORE, _LENGTH = 60, 200

_WORD = re.compile(r"[^\W_]+")
# Scripts written without spaces: a "word" of theirs is a whole sentence, which no beginning finds.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_RUSSIAN_ENDING = re.compile(
    "(?:иями|ями|ами|ыми|ими|ого|его|ому|ему|иях|иям|ией|ах|ях|ов|ев|ей|ой|ом|ем|ам|ям|ый|ий|ым|им|ых|их|ую|юю|ая|яя"
    "|ое|ее|ые|ие|ию|ия|ии|ью|[аеиоуыэюяьй])$"
)
_ENGLISH_ENDING = re.compile("(?:ing|ed|es|s)$")


@dataclass(frozen=True, slots=True)
class Word:
    """A word to look for, in small letters; with `prefix`, as the beginning of a word."""

    text: str
    prefix: bool


class _Folding(dict[int, str]):
    """Maps a letter to the one it is found by: small, without accents. One to one, so that positions stay."""

    def __missing__(self, code: int) -> str:
        letter = self[code] = unicodedata.normalize("NFD", chr(code).casefold())[0]
        return letter


def read_words(text: str) -> tuple[Word, ...]:
    """Return the words of a search; none when only a search for the text as it stands makes sense."""
    if _UNSPACED.search(text):
        return ()
    folded = unicodedata.normalize("NFC", text).casefold().replace("ё", "е")
    found = [word[:LONGEST_WORD] for word in _WORD.findall(folded)[:MOST_WORDS]]
    return tuple(Word(stem(word), prefix=len(word) > 1) for word in dict.fromkeys(found))


def stem(word: str) -> str:
    """Cut off what changes between a word's forms, if enough of it is left to be told from others.

    No dictionary: the commonest endings of Russian nouns and adjectives, and of English words. A word that is found
    too much costs less than one that is not found.
    """
    ending = _ENGLISH_ENDING if word.isascii() else _RUSSIAN_ENDING
    if (match := ending.search(word)) and match.start() >= _SHORTEST_STEM:
        return word[: match.start()]
    return word


def snippet(text: str, words: Sequence[Word], plain: str) -> tuple[tuple[str, bool], ...]:
    """Return the part of `text` around the first match in pieces, each with whether it matched.

    Without `words`, `plain` is looked for as it stands. When nothing is found, the beginning is shown.
    """
    pattern = _pattern(words, plain)
    folding = _Folding()
    folded = text.translate(folding)
    first = pattern.search(folded)
    start = max(0, first.start() - _BEFORE) if first else 0
    start = _at_word(text, start)
    end = min(len(text), start + _LENGTH)
    pieces: list[tuple[str, bool]] = [("…", False)] if start else []
    at = start
    for match in pattern.finditer(folded, start, end):
        pieces += [(text[at : match.start()], False), (text[match.start() : match.end()], True)]
        at = match.end()
    pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    return tuple(piece for piece in pieces if piece[0])


def _pattern(words: Sequence[Word], plain: str) -> re.Pattern[str]:
    folding = _Folding()
    if not words:
        return re.compile(re.escape(plain.translate(folding)))
    forms = (re.escape(word.text.translate(folding)) + (r"[^\W_]*" if word.prefix else r"(?![^\W_])") for word in words)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(forms)})")


def _at_word(text: str, start: int) -> int:
    """Move a little on to the beginning of a word, unless there is none near."""
    space = text.find(" ", start, start + _BEFORE // 2)
    return space + 1 if start and space >= 0 else start
