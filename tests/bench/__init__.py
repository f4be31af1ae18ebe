"""Measurements: `python -m tests.bench [--only NAME] [--output FILE]`; `--markdown FILE` prints what was written.

A bench is a module in this package, named in `BENCHES`, and holds

    TITLE: str                  one line for the table
    UNIT: str | Mapping         of its figures: "tokens/s", "ms"; or the unit of each kind of figure, by its name
    REPETITIONS: int            how often each subject runs, after one run that does not count
    WARM_UP: bool               False where that first run is left out (may be missing)
    RATIOS: tuple[Ratio, ...]   which figures are compared, and with what target (may be missing)
    BOUNDS: tuple[Bound, ...]   which figures have a limit of their own (may be missing)

    @contextmanager
    def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]
        Open what is measured and yield it by name; close it afterwards. A subject that cannot be had here (a package
        that is not installed, say) is left out, and so are the ratios that need it.

A `Measure` takes a seed and returns one figure, named like its subject, or several by the names of their kinds; these
are then called "subject: kind". The harness runs the subjects in turn, A B C B C A C A B …, so that a machine that
gets warm or busy meets all of them alike, compares the runs of a repetition with each other, and takes the medians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

BENCHES: Mapping[str, str] = {
    name: f"tests.bench.{name}"
    for name in ("decode", "guided", "batch", "beside", "turns", "window", "page", "history", "startup")
}
"""Name -> module, in the order of running."""

Measure = Callable[[int], float | Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a bench is given: the starter model, and the number of threads that every engine gets."""

    model: Path
    threads: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """The figures of subject `over` divided by those of `under`; the target is a bound from below, or from above."""

    over: str
    under: str
    target: float
    at_least: bool = True

    def met(self, value: float) -> bool:
        """Whether a ratio is on the right side of the target."""
        return value >= self.target if self.at_least else value <= self.target


@dataclass(frozen=True, slots=True)
class Bound:
    """The median of one figure, in its unit, against a bound from above, or from below."""

    figure: str
    target: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the median is on the right side of the target."""
        return value >= self.target if self.at_least else value <= self.target
