"""The figures of the server in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backends.values import Kept, ModelInfo
from webui.meters import Meters

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_KINDS: Mapping[str, tuple[str, str]] = {
    "samovar_requests_total": ("counter", "HTTP requests to the API."),
    "samovar_generations_total": ("counter", "Generations that ended, of the API and of the pages, by their end."),
    "samovar_prompt_tokens_total": ("counter", "Tokens of prompts: read, or reused from the cache."),
    "samovar_written_tokens_total": ("counter", "Tokens written."),
    "samovar_generation_seconds_total": ("counter", "Seconds of generations: queued, reading, writing."),
    "samovar_generations": ("gauge", "Generations under way: queued, or running."),
    "samovar_model_info": ("gauge", "The model that is loaded."),
    "samovar_model_window_tokens": ("gauge", "The size of the model's window."),
    "samovar_kept_chats": ("gauge", "Chats that gave way to others and go on at once."),
    "samovar_kept_bytes": ("gauge", "Memory that they take."),
    "samovar_kept_bytes_budget": ("gauge", "Memory that they may take (--park-mb)."),
    "samovar_exact": ("gauge", "Whether the same request gives the same text, whatever runs beside it (--exact)."),
}


def exposition(meters: Meters, model: ModelInfo | None, kept: Kept | None = None) -> str:
    """Return all figures as text."""
    return "".join(f"{line}\n" for line in _lines(meters, model, kept))


def _lines(meters: Meters, model: ModelInfo | None, kept: Kept | None) -> Iterator[str]:
    counts = meters.counts()
    if kept is not None:
        counts["samovar_kept_chats", ()] = kept.chats
        counts["samovar_kept_bytes", ()] = kept.size
        counts["samovar_kept_bytes_budget", ()] = kept.budget
        counts["samovar_exact", ()] = float(kept.exact)
    if model is not None:
        labels = {"name": model.name, "fingerprint": model.fingerprint, "architecture": model.architecture}
        counts["samovar_model_info", tuple({**labels, "quantization": model.quantization}.items())] = 1
        counts["samovar_model_window_tokens", ()] = model.window
    for name, (kind, says) in _KINDS.items():
        yield f"# HELP {name} {says}"
        yield f"# TYPE {name} {kind}"
        for (counted, labels_of), value in sorted(counts.items()):
            if counted == name:
                yield f"{name}{_labels(labels_of)} {value:.17g}"


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
