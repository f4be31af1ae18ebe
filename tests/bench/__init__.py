"""Measurements: `python -m tests.bench [--only NAME] [--output FILE]`.

A bench is a module in this package, named in `BENCHES`, and holds

    TITLE: str                  one line for the table
    UNIT: str                   of all its figures: "tokens/s", "ms"
    REPETITIONS: int            how often each subject runs, after one run that does not count
    RATIOS: tuple[Ratio, ...]   which figures are compared, and with what target

    @contextmanager
    def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]
        Open what is measured and yield it by name; close it afterwards. A subject that cannot be had here (a package
        that is not installed, say) is left out, and so are the ratios that need it.

A `Measure` takes a seed and returns one figure in UNIT. The harness runs the subjects in turn, A B C B C A C A B …,
so that a machine that gets warm or busy meets all of them alike, compares the runs of a repetition with each other,
and takes the medians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

BENCHES: Mapping[str, str] = {"decode": "tests.bench.decode", "window": "tests.bench.window"}
"""Name -> module, in the order of running."""

Measure = Callable[[int], float]


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
