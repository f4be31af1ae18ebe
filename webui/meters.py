"""What the server has done, counted: every generation of whatever model is loaded, and the API's requests."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

from backends.base import Backend, Generation
from backends.values import Capabilities, Done, Encoded, Event, ModelInfo, Prompt, Queued, Request
from webui.choice import ModelChoice
from webui.loader import Open, Stage

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels]
"""The name of a figure, and what tells it from others of the name."""


class Meters:
    """The counts since the start. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[Sample] = Counter()
        self._lock = threading.Lock()

    def counts(self) -> dict[Sample, float]:
        """Return a copy of all counts."""
        with self._lock:
            return dict(self._counts)

    def answered(self, path: str, status: int) -> None:
        """Count a request by the pattern of its path."""
        self._add("samovar_requests_total", 1, path=path, status=str(status))

    def moved(self, state: str, change: int) -> None:
        """Count who is in a state now: "queued" or "running"."""
        self._add("samovar_generations", change, state=state)

    def ended(self, end: str) -> None:
        """Count a generation by its end: a finish reason, or "failed"."""
        self._add("samovar_generations_total", 1, end=end)

    def done(self, done: Done) -> None:
        """Count what a generation says of itself at its end."""
        usage, timings = done.usage, done.timings
        self.ended(done.reason)
        self._add("samovar_prompt_tokens_total", usage.prompt_tokens - usage.cached_tokens, source="read")
        self._add("samovar_prompt_tokens_total", usage.cached_tokens, source="reused")
        self._add("samovar_written_tokens_total", usage.completion_tokens)
        for phase, seconds in (("queued", timings.queued), ("read", timings.prefill), ("write", timings.decode)):
            self._add("samovar_generation_seconds_total", seconds, phase=phase)

    def watched(self, opener: Open) -> Open:
        """Return an opener whose backends are counted."""

        def open_watched(choice: ModelChoice, progress: Callable[[Stage, float], bool]) -> Backend:
            return MeteredBackend(opener(choice, progress), self)

        return open_watched

    def _add(self, name: str, amount: float, **labels: str) -> None:
        with self._lock:
            self._counts[name, tuple(labels.items())] += amount  # type: ignore[assignment]


class MeteredBackend:
    """A backend whose generations are counted."""

    def __init__(self, backend: Backend, meters: Meters) -> None:
        self._backend, self._meters = backend, meters

    @property
    def info(self) -> ModelInfo:
        """See `Backend.info`."""
        return self._backend.info

    @property
    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`."""
        return self._backend.capabilities

    def start(self, request: Request) -> Generation:
        """See `Backend.start`."""
        return _MeteredGeneration(self._backend.start(request), self._meters)

    def encode(self, prompt: Prompt) -> Encoded:
        """See `Backend.encode`."""
        return self._backend.encode(prompt)

    def tokenize(self, text: str) -> tuple[int, ...]:
        """See `Backend.tokenize`."""
        return self._backend.tokenize(text)

    def detokenize(self, tokens: tuple[int, ...]) -> str:
        """See `Backend.detokenize`."""
        return self._backend.detokenize(tokens)

    def close(self) -> None:
        """See `Backend.close`."""
        self._backend.close()


class _MeteredGeneration:
    def __init__(self, generation: Generation, meters: Meters) -> None:
        self._generation, self._meters = generation, meters

    def cancel(self) -> None:
        self._generation.cancel()

    def __iter__(self) -> Iterator[Event]:
        state = "queued"
        self._meters.moved(state, 1)
        try:
            for event in self._generation:
                if state == "queued" and not isinstance(event, Queued):
                    self._meters.moved("queued", -1)
                    state = "running"
                    self._meters.moved(state, 1)
                if isinstance(event, Done):
                    self._meters.done(event)
                yield event
        except Exception:
            self._meters.ended("failed")
            raise
        finally:
            self._meters.moved(state, -1)
