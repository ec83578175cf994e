"""What every measurement shares: taking two sides in turns, and a line of the table.

Speed drifts on a machine that others use too. Sides that alternate (A B A B …) drift together, so that the ratio of
their medians holds where neither of the two does.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

CONSOLE = Console(stderr=True, highlight=False)


class Skipped(Exception):
    """A measurement that cannot be made here; says why and what would do."""


class Broken(Exception):
    """A measurement that should work here and does not: the benchmark or what it measures is at fault."""


@dataclass(kw_only=True)
class Line:
    """One line of the report.

    `value` is the median of `ours` divided by that of `theirs` (or as `what` says), of `unit`. `target` is met at or
    `above` it, or at or below. `note` says what is timed, `command` what runs. Without a value, the note says why, and
    `broken` whether that is a fault.
    """

    part: str
    name: str
    what: str
    value: float | None = None
    broken: bool = False
    unit: str = "×"
    target: float | None = None
    above: bool = True
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    samples_unit: str = ""
    note: str = ""
    command: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        if self.value is None or self.target is None:
            return None
        return self.value >= self.target if self.above else self.value <= self.target

    def explain(self, error: Exception) -> None:
        """Note why there is no value: skipped for a reason, or broken. Prints the traceback of what is broken."""
        self.value = None
        self.broken = not isinstance(error, Skipped)
        if self.broken:
            traceback.print_exception(error)
            self.note = f"broken: {type(error).__name__}: {error}"
        else:
            self.note = f"skipped: {error}"

    def record(self) -> dict[str, Any]:
        """The line for the JSON file, with medians and spread of both sides."""
        return {**asdict(self), "met": self.met, "median": [describe(self.ours), describe(self.theirs)]}


def describe(samples: list[float]) -> dict[str, float] | None:
    """Median and spread, the latter as (largest - smallest) / median."""
    if not samples:
        return None
    middle = statistics.median(samples)
    return {"median": middle, "spread": (max(samples) - min(samples)) / middle if middle else 0.0, "n": len(samples)}


def ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(ours) / statistics.median(theirs)


def alternate(
    *sides: Callable[[], float], repetitions: int, title: str, show: str = "{:,.1f}"
) -> tuple[list[float], ...]:
    """Run the sides in turns; their samples. Every second round runs in reverse, so that no side is always first."""
    samples: tuple[list[float], ...] = tuple([] for _ in sides)
    for i in range(repetitions):
        order = range(len(sides)) if i % 2 == 0 else reversed(range(len(sides)))
        for side in order:
            samples[side].append(sides[side]())
        shown = " · ".join(show.format(taken[-1]) for taken in samples)
        CONSOLE.print(f"  {title}: {i + 1}/{repetitions}   {shown}")
    return samples


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for what a measurement writes; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="quartet-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class Stopwatch:
    """Sums the seconds between `start` and `stop`; waits for a GPU to finish."""

    def __init__(self, *, wait: Callable[[], None] = lambda: None) -> None:
        self.seconds, self.since, self.wait = 0.0, 0.0, wait

    def start(self) -> None:
        self.wait()
        self.since = time.perf_counter()

    def stop(self) -> None:
        self.wait()
        self.seconds += time.perf_counter() - self.since
        self.since = 0.0

    @property
    def running(self) -> bool:
        return self.since > 0.0
