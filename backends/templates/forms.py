"""The forms that a dialogue can take for a template that refuses it as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from backends.values import Role

BLANK_LINE = "\n\n"


@dataclass(frozen=True, slots=True)
class Turn:
    """A message as the template sees it: one text or several, by their numbers, with a blank line between them."""

    role: Role
    parts: tuple[int, ...]

    def content(self, texts: Sequence[str]) -> str:
        """Return the message's text; empty ones are left out."""
        return BLANK_LINE.join(texts[part] for part in self.parts if texts[part])


Form = tuple[Turn, ...]


def forms(turns: Form) -> Iterator[Form]:
    """Yield the dialogue as it is, then ever less like it.

    Neighbours of one role become one message; system messages go into the person's message that follows, as the makers
    of models without a system role advise; and a dialogue that the assistant begins gets an empty message in front.
    """
    seen: set[Form] = set()
    merged = _merged(turns)
    for form in (turns, merged, without := _merged(_without_system(merged)), _begun(without)):
        if form not in seen:
            seen.add(form)
            yield form


def _merged(turns: Form) -> Form:
    return tuple(
        Turn(role, tuple(part for turn in group for part in turn.parts))
        for role, group in groupby(turns, lambda turn: turn.role)
    )


def _without_system(turns: Form) -> Form:
    return tuple(Turn("user", turn.parts) if turn.role == "system" else turn for turn in turns)


def _begun(turns: Form) -> Form:
    return turns if turns and turns[0].role == "user" else (Turn("user", ()), *turns)
