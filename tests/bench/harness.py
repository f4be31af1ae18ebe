"""Runs a bench: interleaved repetitions, medians, ratios."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tests.bench import BENCHES, Measure, Ratio, Setup

FIRST_SEED = 1


def run(name: str, setup: Setup) -> dict[str, Any]:
    """Run one bench and return its results as plain data."""
    bench = importlib.import_module(BENCHES[name])
    with bench.subjects(setup) as subjects:
        figures = measure(subjects, bench.REPETITIONS)
    return {
        "name": name,
        "title": bench.TITLE,
        "unit": bench.UNIT,
        "seeds": [FIRST_SEED + number for number in range(bench.REPETITIONS)],
        "figures": figures,
        "medians": {subject: median(values) for subject, values in figures.items()},
        "ratios": ratios(figures, bench.RATIOS),
    }


def measure(subjects: Mapping[str, Measure], repetitions: int) -> dict[str, list[float]]:
    """Run every subject once to warm up, then in turn; each repetition begins with another one."""
    figures: dict[str, list[float]] = {name: [] for name in subjects}
    for take in subjects.values():
        take(0)
    names = list(subjects)
    for number in range(repetitions):
        for name in names:
            figures[name].append(subjects[name](FIRST_SEED + number))
        names.append(names.pop(0))
    return figures


def ratios(figures: Mapping[str, Sequence[float]], wanted: Sequence[Ratio]) -> list[dict[str, Any]]:
    """Return the median of the ratios within each repetition, for the subjects that were there."""
    found = []
    for ratio in wanted:
        if ratio.over in figures and ratio.under in figures:
            pairs = zip(figures[ratio.over], figures[ratio.under], strict=True)
            value = median(over / under for over, under in pairs)
            found.append({"over": ratio.over, "under": ratio.under, "value": value, "target": ratio.target,
                          "at_least": ratio.at_least, "met": ratio.met(value)})  # fmt: skip
    return found


def table(result: Mapping[str, Any]) -> str:
    """Return a bench's results for reading."""
    lines = [f"{result['name']}: {result['title']} ({result['unit']})"]
    for subject, values in result["figures"].items():
        lines.append(f"  {subject:<28}{median(values):>12.2f}   {min(values):.2f} … {max(values):.2f}")
    for ratio in result["ratios"]:
        sign = "≥" if ratio["at_least"] else "≤"
        verdict = "met" if ratio["met"] else "missed"
        lines.append(
            f"  {ratio['over'] + ' ÷ ' + ratio['under']:<28}{ratio['value']:>12.3f}   "
            f"target {sign} {ratio['target']:g}: {verdict}"
        )
    return "\n".join(lines)
