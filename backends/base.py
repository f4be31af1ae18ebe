"""The seam between Samovar and whatever runs a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from backends.values import Capabilities, Encoded, Event, ModelInfo, Prompt, Request


class Generation(Protocol):
    """One running generation, consumed by one thread.

    Iterating yields events and ends with `Done`; an error of the tree in `backends.errors` is raised at the
    consumer. `cancel` may be called from any thread, any number of times, and takes effect within one token,
    while the prompt is read too: the iteration then ends with `Done(reason="cancelled")`.
    """

    def __iter__(self) -> Iterator[Event]:
        """Yield the events, blocking between them."""

    def cancel(self) -> None:
        """Ask the generation to end; returns at once."""


class Backend(Protocol):
    """A loaded model. All methods may be called from any thread."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def start(self, request: Request) -> Generation:
        """Begin a generation and return at once.

        Raises `UnsupportedParameter` for a knob that is away from neutral and not in `capabilities`,
        `PromptTooLong` when the prompt leaves no room for a single token, `TemplateFailed`, `EngineClosed`.
        """

    def encode(self, prompt: Prompt) -> Encoded:
        """Return the tokens exactly as `start` would read them. Raises `TemplateFailed`."""

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Return the tokens of plain text: no template, no begin-of-text token, special tokens read as text."""

    def detokenize(self, tokens: tuple[int, ...]) -> str:
        """Return the text of `tokens`; invalid UTF-8 becomes U+FFFD, special tokens are written out."""

    def close(self) -> None:
        """End running generations with `EngineClosed` and give the memory back. Idempotent."""
