"""A beam search while it waits and runs: many replies at once, each in a sequence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backends.beam_scores import Scorer, Scores
from backends.beams import Beam, Candidate, Hypothesis, Rules, Search, best, chosen, replies, step
from backends.branches import tree
from backends.errors import EngineFailed
from backends.guiding.guide import Guide
from backends.llamacpp.run import Run
from backends.llamacpp.sequences import Sequence as Slot
from backends.sampling import SamplingParams
from backends.textstream import TextStream
from backends.values import FinishReason, Searching
from backends.words import Writing


@dataclass(frozen=True, slots=True)
class BeamText:
    """The text of a beam so far."""

    stream: TextStream
    text: str = ""
    reasoning: str = ""

    def grown(self, data: bytes) -> BeamText:
        """Return the text with one more token's bytes."""
        stream = self.stream.fork()
        pieces = stream.push(data)
        text = "".join(piece.text for piece in pieces if not piece.reasoning)
        reasoning = "".join(piece.text for piece in pieces if piece.reasoning)
        return BeamText(stream, self.text + text, self.reasoning + reasoning)


class BeamRun(Run):
    """A request that is answered by beam search (see `backends.beams`); a `guide` is followed by every beam.

    Its `tokens` are the prompt alone until the end. `slot` is where the prompt is read; once that is done the run is
    `branched`, and `places` are the sequences of the beams, in their order. `pool` are all that it has.
    """

    def __init__(
        self, prompt: Sequence[int], params: SamplingParams, words: Writing, window: int, *, limit: int,
        stream: TextStream, seed: int = 0, user: str = "", guide: Guide | None = None,
    ) -> None:  # fmt: skip
        scorer = Scorer(params, words, window, prompt)
        super().__init__(prompt, limit=limit, sampler=scorer, stream=stream.fork(), seed=seed, user=user)
        self.search = Search()
        self.branched = False
        self.places: list[Slot] = []
        self.pool: list[Slot] = []
        self._rules = Rules(params.num_beams, limit, params.length_penalty, params.early_stopping, len(words.ends))
        self._scorer, self._words = scorer, words
        self._texts = [BeamText(stream)]
        self._guides = [guide]
        self._whole = (Hypothesis((), 0.0), self._texts[0])

    @property
    def begun(self) -> bool:
        """Whether the search has taken a step."""
        return self.search.over or self.search.beams != (Beam(),)

    @property
    def slots(self) -> Sequence[Slot]:
        """See `Run.slots`."""
        return self.pool

    @property
    def width(self) -> int:
        """See `Run.width`."""
        return self._rules.width

    @property
    def size(self) -> int:
        """See `Run.size`: beams are counted as if they shared the prompt alone."""
        return self.prompt_size + sum(len(beam.tokens) for beam in self.search.beams)

    @property
    def remaining(self) -> int:
        """See `Run.remaining`."""
        written = len(self.search.beams[0].tokens) if self.search.beams else 0
        return (self.limit - written) * self.width

    @property
    def held(self) -> int:
        """See `Run.held`; once it is branched, as `size` counts."""
        if not self.branched:
            return super().held
        return self.prompt_size + sum(max(0, len(slot.tokens) - self.prompt_size) for slot in self.places)

    @property
    def unread(self) -> int:
        """See `Run.unread`: of the prompt alone."""
        return 0 if self.branched else super().unread

    def admit(self, slot: Slot) -> None:
        """See `Run.admit`; after a pause the prompt and then the beams are read again."""
        self.branched, self.places, self.pool = False, [], [slot]
        super().admit(slot)

    @property
    def reply(self) -> tuple[int, ...]:
        """The tokens of the best reply so far, without its end."""
        return self._plain(best(self.search, self._rules).tokens)

    def tail(self, beam: Beam, held: int) -> Sequence[int]:
        """Return the tokens of prompt and beam behind the first `held` of them."""
        if held >= self.prompt_size:
            return beam.tokens[held - self.prompt_size :]
        return [*self.tokens[held:], *beam.tokens]

    def advance(self, rows: Sequence[Scores]) -> None:
        """Take the logits after each beam, and one step; tell the best reply so far. Raises `EngineFailed`."""
        self.start_writing()
        scored = zip(self.search.beams, rows, self._guides, strict=True)
        found = [
            Candidate(at, token, beam.score + score)
            for at, (beam, logits, guide) in enumerate(scored)
            for token, score in self._scorer.best(
                logits, beam.tokens, self._rules.wanted, guide.allowed() if guide else None
            )
        ]
        looked_at, texts = self._read(chosen(found, self._rules))
        if not looked_at and not self.begun:
            raise EngineFailed(reason="no token is left")
        self.search = step(self.search, looked_at, self._rules)
        if looked_at:
            self._texts = [texts[beam.parent, beam.tokens[-1]] for beam in self.search.beams]
            self._guides = [_followed(self._guides[beam.parent], beam.tokens[-1]) for beam in self.search.beams]
        self._tell_best()

    def _read(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], dict[tuple[int, int], BeamText]]:
        """Return the candidates, marked where the reply ends with them, and their texts by beam and token."""
        texts, marked = {}, []
        for each in candidates:
            ends = each.token in self._words.ends
            data = b"" if ends else self._words.pieces[each.token]
            texts[each.beam, each.token] = text = self._texts[each.beam].grown(data)
            marked.append(replace(each, ends=ends or text.stream.stopped))
        return marked, texts

    def _tell_best(self) -> None:
        found = best(self.search, self._rules)
        beams = self.search.beams
        if beams and found.tokens == beams[0].tokens:
            text = self._texts[0]
        else:
            if self._whole[0] != found:
                self._whole = found, BeamText(self._stream).grown(self._spell(found.tokens))
            text = self._whole[1]
        self.events.put(Searching(text.text, text.reasoning, len(self._plain(found.tokens))))

    def finish(self, reason: FinishReason) -> None:
        """See `Run.finish`: the reply comes whole; that of a search broken off is the best so far."""
        if self.ended:
            return
        found = best(self.search, self._rules)
        tokens = self._plain(found.tokens)
        pieces = self._words.pieces
        # The same text in other tokens is the same reply to whoever reads it: the better one stands for both.
        told: dict[bytes, tuple[tuple[int, ...], float]] = {}
        for each in replies(self.search, self._rules):
            told.setdefault(self._spell(each.tokens), (self._plain(each.tokens), each.rating))
        self.beams = tree(list(told.values()), pieces.__getitem__)
        self.deliver(tokens, pieces)
        if reason != "cancelled":
            reason = "stop" if len(tokens) < len(found.tokens) or self._stream.stopped else "length"
        super().finish(reason)

    def _plain(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """Return the tokens without the end."""
        return tokens[:-1] if tokens and tokens[-1] in self._words.ends else tokens

    def _spell(self, tokens: Sequence[int]) -> bytes:
        return b"".join(self._words.pieces[token] for token in self._plain(tuple(tokens)))


def _followed(guide: Guide | None, token: int) -> Guide | None:
    if guide is not None:
        guide = guide.copy()
        guide.take(token)
    return guide
