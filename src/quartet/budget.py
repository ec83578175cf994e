"""How long to train: an amount with a unit, the same clock for every method.

Lightning's `global_step` counts each optimizer's step, a GAN's twice, and an epoch means nothing for an endless
stream; samples, and what follows from them, mean the same for all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quartet.types import QuartetError

UNITS = ("samples", "steps", "epochs", "flops", "seconds")
GRAMMAR = re.compile(r"^\s*(\d[\d_]*(?:\.\d*)?(?:e[+-]?\d+)?)\s*([a-z]+)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Spent:
    """What training has used so far. `samples_per_epoch` and `flops_per_sample` convert one unit into another."""

    samples: int
    steps: int
    samples_per_epoch: int
    flops_per_sample: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Budget:
    """An amount of one of `UNITS`. Seconds are of training alone, without validation; how far they go depends on the
    machine, so that a run measured in them cannot be repeated to the bit."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str, *, key: str = "budget") -> Budget:
        """`"600_000 samples"`, `"3 epochs"`, `"500 steps"`, `"1e15 flops"`, `"60 seconds"`; else QuartetError."""
        match = GRAMMAR.match(str(text))
        unit = match.group(2).lower() if match else ""
        unit = unit if unit.endswith("s") else unit + "s"
        if match is None or unit not in UNITS or float(match.group(1)) <= 0:
            raise QuartetError(
                f"{key}={text!r}: a budget is a positive amount and a unit ({', '.join(UNITS)}), such as '3 epochs'"
            )
        return cls(amount=float(match.group(1)), unit=unit)

    def used(self, spent: Spent) -> float:
        """The fraction of this budget that has been used, 1.0 and above when it is spent."""
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
