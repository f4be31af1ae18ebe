"""A chat template: a dialogue -> the text that the model goes on with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from backends.errors import TemplateFailed
from backends.templates.forms import Form, Turn, forms
from backends.templates.sandbox import Program, Refusal, clock
from backends.templates.spans import Span, locate, mark, marked, unused_mark
from backends.values import ChatPrompt

Think = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as text. All positions are in characters.

    `ends[i]` is where message i ends; they never decrease. `contents[i]` is where message i stands, as start and end;
    further ones are the prefix and repetitions: together they are all of the text that people and the model wrote.
    `lead` is white space that belongs before the speaker's text and that the model writes itself, as a space is one
    token with the word after it.
    """

    text: str
    ends: tuple[int, ...]
    contents: tuple[tuple[int, int], ...]
    lead: str = ""


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a template opens the assistant's turn: `asks` if it does so on request, with `lead` before the text.

    `typed`: it takes a message's content as a list of parts, not as text.
    """

    asks: bool
    lead: str = ""
    typed: bool = False


class ChatTemplate:
    """A template in Jinja, as it stands in a model's header or in `formats`. May be used from any thread.

    `stops` are strings that end a turn and that the model may write as plain text. `think` is the pair of tags around
    the model's thinking, None if it has none.
    """

    def __init__(
        self,
        name: str,
        source: str,
        *,
        bos: str = "",
        eos: str = "",
        stops: Sequence[str] = (),
        think: Think | None = None,
    ) -> None:
        self.name, self.stops, self.think = name, tuple(stops), think
        self._source, self._program = source, Program(source)
        self._tokens: Mapping[str, object] = {"bos_token": bos, "eos_token": eos, "unk_token": "", "pad_token": ""}

    def render(self, prompt: ChatPrompt) -> Rendered:
        """Return the prompt's text. It ends with the prefix, or exactly where the speaker's text begins.

        Where the template takes the dialogue in no form, raises `TemplateFailed` with what it said first.
        """
        texts = [message.content for message in prompt.messages]
        turns: Form = tuple(Turn(message.role, (number,)) for number, message in enumerate(prompt.messages))
        begun = (*turns, Turn(prompt.speaker, (len(texts),)))
        now, reason = datetime.now().astimezone(), ""
        for asks in (True, False) if self._asks(prompt) else (False,):
            for form in forms(turns if asks else begun):
                try:
                    text, spans = self._lay_out(form, texts, now, asks)
                except Refusal as refusal:
                    reason = reason or str(refusal)
                    continue
                return self._open(text, spans, prompt, asks)
        raise TemplateFailed(reason=reason)

    def _asks(self, prompt: ChatPrompt) -> bool:
        """Whether the template opens the turn on request; else a mark in its place shows where the text begins.

        A prefix needs the mark, as a template may write before a reply what it does not write before an open one,
        such as an empty thinking; a prefix that brings its own thinking is another matter.
        """
        if prompt.speaker != "assistant" or not self._opening.asks:
            return False
        return not prompt.prefix or self._thinks(prompt.prefix)

    def _thinks(self, prefix: str) -> bool:
        """Whether a prefix begins with thinking: it opens it, or closes what the template opens."""
        if self.think is None:
            return False
        start, end = self.think
        return prefix.lstrip().startswith(start) or (end in prefix and start not in prefix)

    def _lay_out(self, form: Form, texts: Sequence[str], now: datetime, asks: bool) -> tuple[str, list[Span]]:
        """Return the text up to the speaker's, and where the messages stand in it. Raises `Refusal`."""
        opening = unused_mark(texts)
        marks = [mark(number) if text else "" for number, text in enumerate(texts)]
        text = self._run(form, [*texts, opening], now, asks)
        skeleton = self._run(form, [*marks, opening], now, asks)
        if not asks:
            text, found, _ = text.partition(opening)
            skeleton, again, _ = skeleton.partition(opening)
            if not found or not again:
                raise Refusal("it leaves out the last message")
        elif not text.strip():
            raise Refusal("it opens no reply")
        if marked("".join(marks)) - marked(skeleton):
            raise Refusal("it leaves out a message")
        return text, locate(text, skeleton, texts, self.think)

    def _run(self, form: Form, texts: Sequence[str], now: datetime, asks: bool) -> str:
        return self._call([(turn.role, turn.content(texts)) for turn in form], now, asks, self._opening.typed)

    def _call(self, turns: Sequence[tuple[str, str]], now: datetime, asks: bool, typed: bool) -> str:
        messages = [
            {"role": role, "content": [{"type": "text", "text": content}] if typed else content}
            for role, content in turns
        ]
        variables = {**self._tokens, **clock(now), "add_generation_prompt": asks}
        return self._program.run(messages, sum(len(content) for _, content in turns), variables)

    def _open(self, text: str, spans: Sequence[Span], prompt: ChatPrompt, asks: bool) -> Rendered:
        """Return the prompt with its prefix, if any."""
        contents, ends = _boundaries(spans, len(prompt.messages))
        last = max((span.end for span in spans), default=0)
        head, tail = text[:last], text[last:]
        lead = ""
        if prompt.prefix:
            tail = self._without_thinking(tail, prompt.prefix)
            start = len(head) + len(tail)
            contents = (*contents, (start, start + len(prompt.prefix)))
        elif asks:
            lead = self._opening.lead
        else:
            lead = tail[len(tail.rstrip(" ")) :]
            tail = tail.rstrip(" ")
        return Rendered(head + tail + prompt.prefix, ends, contents, lead)

    def _without_thinking(self, opening: str, prefix: str) -> str:
        """Return the opening of a turn without the thinking tag that the prefix brings along."""
        if self.think is None or not prefix.lstrip().startswith(self.think[0]):
            return opening
        start, end = map(re.escape, self.think)
        return re.sub(rf"{start}\s*(?:{end}\s*)?\Z", "", opening)

    @cached_property
    def _opening(self) -> _Opening:
        """Try the template on the smallest dialogue."""
        asked, answer = ("user", mark(0)), ("assistant", mark(1))
        now = datetime.now().astimezone()
        for typed in (False, True):
            try:
                bare = self._call([asked], now, False, typed)
                opened = self._call([asked], now, True, typed)
                head = self._call([asked, answer], now, False, typed).partition(answer[1])[0]
            except (Refusal, TemplateFailed):
                continue
            if asked[1] in bare:
                lead = head.removeprefix(opened)
                return _Opening(opened.strip() != bare.strip(), "" if lead.strip() else lead, typed)
        return _Opening("add_generation_prompt" in self._source)


def _boundaries(spans: Sequence[Span], count: int) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Return the messages' places, then those of repetitions; and where each message ends, never decreasing.

    A message that the template moves behind later ones (a system message into the last question) counts as nothing
    where it was, and for the message before which it stands.
    """
    first: dict[int, tuple[int, int]] = {}
    more = []
    for span in spans:
        if span.index in first:
            more.append((span.start, span.end))
        else:
            first[span.index] = (span.start, span.end)
    at = 0
    for index in range(count):
        # An empty message stands nowhere: where the one before it ends.
        at = first.setdefault(index, (at, at))[1]
    ends, limit = [], max((span.end for span in spans), default=0)
    for index in reversed(range(count)):
        start, end = first[index]
        ends.append(min(end, limit))
        limit = min(start, limit)
    return (*(first[index] for index in range(count)), *more), tuple(reversed(ends))
