"""Define a finding as the page shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quartet.report.drawing.numerals import plain

NOT_MEASURED = "not measured"
SMALL = 1e-3  # numbers below it, as errors of rounding, are written with an exponent


def number(value: float) -> str:
    """Return a number with three or four significant digits."""
    return f"{value:.1e}" if 0 < abs(value) < SMALL else plain(value)


@dataclass(frozen=True)
class Found:
    """A number: its mean, the 95 % interval, what the interval covers ("" for none), and what it is in words."""

    mean: float
    low: float
    high: float
    covers: str
    about: str

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"{number(self.mean)} (no interval)"
        return f"{number(self.mean)} ({number(self.low)} to {number(self.high)})"


@dataclass(frozen=True)
class Bound:
    """A condition of a rule: its words, how it came out, and how far the interval's nearer end is from the threshold.

    `met` is None where the interval reaches over the threshold.
    """

    name: str
    words: str
    met: bool | None
    room: float

    @property
    def word(self) -> str:
        """How the condition came out, in a word."""
        return "open" if self.met is None else "met" if self.met else "failed"

    @property
    def outcome(self) -> str:
        """How the condition came out, and what would change that."""
        if self.met is None:
            return f"{self.word}: the interval reaches over the threshold"
        far = f"the interval's nearer end would have to move by {number(abs(self.room))} to reach the threshold"
        return f"{self.word}: {far}"


@dataclass(frozen=True)
class Concluded:
    """A finding with its verdict.

    Attributes:
        verdict: in words; NOT_MEASURED without numbers.
        headline: the name of the number that stands for the finding.
        figures: PNG files by name.
        texts: by heading, shown as they are.
        command: repeats it.
        rule_commit, commit: of the rule's last change, and of the code that measured.
    """

    id: str
    statement: str
    verdict: str
    headline: str
    against: str
    command: str
    rule_commit: str
    rule: Sequence[Bound] = ()
    numbers: Mapping[str, Found] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    seeds: Sequence[int] = ()
    runs: int = 0
    commit: str = ""
