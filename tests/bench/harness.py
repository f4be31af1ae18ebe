"""Runs a bench: interleaved repetitions, medians, ratios, bounds."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from tests.bench import BENCHES, Bound, Measure, Ratio, Setup

FIRST_SEED = 1


def run(name: str, setup: Setup) -> dict[str, Any]:
    """Run one bench and return its results as plain data."""
    bench = importlib.import_module(BENCHES[name])
    with bench.subjects(setup) as subjects, _kept_out_of_garbage():
        figures = measure(subjects, bench.REPETITIONS, getattr(bench, "WARM_UP", True))
    return {
        "name": name,
        "title": bench.TITLE,
        "units": {figure: unit_of(figure, bench.UNIT) for figure in figures},
        "seeds": [FIRST_SEED + number for number in range(bench.REPETITIONS)],
        "figures": figures,
        "medians": {subject: median(values) for subject, values in figures.items()},
        "ratios": ratios(figures, getattr(bench, "RATIOS", ())),
        "bounds": bounds(figures, getattr(bench, "BOUNDS", ())),
    }


@contextmanager
def _kept_out_of_garbage() -> Iterator[None]:
    """What this process has imported and opened is not looked through for garbage while something is timed."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def measure(subjects: Mapping[str, Measure], repetitions: int, warm_up: bool = True) -> dict[str, list[float]]:
    """Run every subject once to warm up, then in turn; each repetition begins with another one."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in subjects}
    for take in subjects.values() if warm_up else ():
        take(0)
    names = list(subjects)
    for number in range(repetitions):
        for name in names:
            for figure, value in _named(name, subjects[name](FIRST_SEED + number)):
                found[name].setdefault(figure, []).append(value)
        names.append(names.pop(0))
    return {figure: values for figures in found.values() for figure, values in figures.items()}


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


def bounds(figures: Mapping[str, Sequence[float]], wanted: Sequence[Bound]) -> list[dict[str, Any]]:
    """Return the medians that have a limit, for the subjects that were there."""
    return [
        {"figure": bound.figure, "value": (value := median(figures[bound.figure])), "target": bound.target,
         "at_least": bound.at_least, "met": bound.met(value)}
        for bound in wanted if bound.figure in figures
    ]  # fmt: skip


def unit_of(figure: str, unit: str | Mapping[str, str]) -> str:
    """Return the unit of a figure: the bench's only one, or that of the figure's kind."""
    return unit if isinstance(unit, str) else unit[figure.rpartition(": ")[2]]


def table(result: Mapping[str, Any]) -> str:
    """Return a bench's results for reading."""
    lines = [f"{result['name']}: {result['title']}"]
    for subject, values in result["figures"].items():
        spread = f"{min(values):.2f} … {max(values):.2f}"
        lines.append(f"  {subject:<44}{median(values):>10.2f} {result['units'][subject]:<12} {spread}")
    lines += [
        f"  {ratio['over'] + ' ÷ ' + ratio['under']:<64}{ratio['value']:>10.3f}   {_verdict(ratio)}"
        for ratio in result["ratios"]
    ]
    lines += [f"  {bound['figure']:<64}{bound['value']:>10.2f}   {_verdict(bound)}" for bound in result["bounds"]]
    return "\n".join(lines)


def markdown(report: Mapping[str, Any]) -> str:
    """Return a whole report as Markdown: where and when, then a table of what has a target."""
    machine = report["machine"]
    lines = [
        f"{report['date'][:10]}; {machine['processor']}, {report['threads']} threads, {machine['memory_gb']:g} GB,"
        f" on the CPU; {report['model']}.",
        "",
        "| bench | what | value | target | |",
        "|---|---|---|---|---|",
    ]
    for result in report["benches"]:
        name = f"`{result['name']}`"
        for found in (*result["ratios"], *result["bounds"]):
            what, value = _compared(found, result["units"])
            sign, verdict = "≥" if found["at_least"] else "≤", "met" if found["met"] else "**missed**"
            lines.append(f"| {name} | {what} | {value} | {sign} {found['target']:g} | {verdict} |")
            name = ""
    return "\n".join(lines)


def _compared(found: Mapping[str, Any], units: Mapping[str, str]) -> tuple[str, str]:
    """Return what a line is about, and its value with its unit."""
    if "figure" in found:
        return found["figure"], f"{found['value']:.3g} {units[found['figure']]}".strip()
    return f"{found['over']} ÷ {found['under']}", f"{found['value']:.2f}"


def _verdict(found: Mapping[str, Any]) -> str:
    sign, verdict = "≥" if found["at_least"] else "≤", "met" if found["met"] else "missed"
    return f"target {sign} {found['target']:g}: {verdict}"


def _named(subject: str, taken: float | Mapping[str, float]) -> Iterator[tuple[str, float]]:
    if isinstance(taken, Mapping):
        yield from ((f"{subject}: {kind}", value) for kind, value in taken.items())
    else:
        yield subject, taken
