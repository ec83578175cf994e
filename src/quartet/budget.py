"""A training budget: an amount with a unit, which means the same for every method.

Lightning's `global_step` counts every optimizer's steps, so a GAN's twice, and an endless stream has no epochs.
Samples, and units that follow from them, mean the same for all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quartet.types import QuartetError

UNITS = ("samples", "steps", "epochs", "flops", "seconds")
GRAMMAR = re.compile(r"^\s*(\d[\d_]*(?:\.\d*)?(?:e[+-]?\d+)?)\s*([a-z]+)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Spent:
    """The amounts that training has used. `samples_per_epoch` and `flops_per_sample` convert one unit into another."""

    samples: int
    steps: int
    samples_per_epoch: int
    flops_per_sample: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Budget:
    """An amount of one of `UNITS`. Seconds count training only, not validation. Their worth depends on the machine,
    so that a run with a budget in seconds cannot be repeated to the bit."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str, *, key: str = "budget") -> Budget:
        """Return the budget of a text: "600_000 samples", "3 epochs", "500 steps", "1e15 flops", "60 seconds".

        Raises QuartetError, which names `key`, for other texts.
        """
        match = GRAMMAR.match(str(text))
        unit = match.group(2).lower() if match else ""
        unit = unit if unit.endswith("s") else unit + "s"
        if match is None or unit not in UNITS or float(match.group(1)) <= 0:
            raise QuartetError(
                f"{key}={text!r}: a budget is a positive amount and a unit ({', '.join(UNITS)}), such as '3 epochs'"
            )
        return cls(amount=float(match.group(1)), unit=unit)

    def used(self, spent: Spent) -> float:
        """Return the used fraction of this budget, 1.0 or more when it is used up."""
        in_units = {
            "samples": spent.samples,
            "steps": spent.steps,
            "epochs": spent.samples / max(spent.samples_per_epoch, 1),
            "flops": spent.samples * spent.flops_per_sample,
            "seconds": spent.seconds,
        }
        return in_units[self.unit] / self.amount

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"
