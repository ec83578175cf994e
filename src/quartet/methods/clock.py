"""The clock of training: it counts samples, steps and seconds, for the method that trains and for its data."""

from __future__ import annotations

import time

import torch
import torch.distributed as dist

from quartet.budget import Budget, Spent
from quartet.methods.ranks import several


class TrainingClock:
    """Count samples, steps and seconds of training; compute the used share of the budget and when to pause.

    Seconds differ from rank to rank. If a budget counts seconds, `agree_on_seconds` gives all ranks those of rank 0.

    Args:
        budget: when training ends.
        validate_every: how often to validate and to write a checkpoint.
        samples_per_epoch: training samples of the data.
    """

    def __init__(self, *, budget: Budget, validate_every: Budget, samples_per_epoch: int) -> None:
        self.budget, self.validate_every, self.samples_per_epoch = budget, validate_every, samples_per_epoch
        self.samples, self.steps, self.flops_per_sample = 0, 0, 0.0
        self.seconds, self.began = 0.0, 0.0  # trained before the last pause; start time, 0.0 in a pause
        self.agreed = 0.0  # the seconds that all ranks use for a budget in seconds

    def count(self, samples: int) -> None:
        """Add one step with this many samples."""
        self.samples += samples
        self.steps += 1

    def start(self) -> None:
        """Begin to count seconds."""
        self.began = time.perf_counter()

    def stop(self) -> None:
        """Stop counting seconds, for a pause."""
        self.seconds = self.elapsed()
        self.began = 0.0

    def elapsed(self) -> float:
        """Return the seconds of training so far, by this rank's clock."""
        return self.seconds + (time.perf_counter() - self.began if self.began else 0.0)

    def agree_on_seconds(self) -> None:
        """Give all ranks the seconds of rank 0; do nothing if no budget counts seconds.

        This is a collective: every rank must call it equally often.
        """
        if "seconds" not in (self.budget.unit, self.validate_every.unit):
            self.agreed = 0.0
            return
        device = "cuda" if several() and dist.get_backend() == "nccl" else "cpu"
        seconds = torch.tensor(self.elapsed(), dtype=torch.float64, device=device)
        if several():
            dist.broadcast(seconds, src=0)
        self.agreed = seconds.item()

    def spent(self) -> Spent:
        """Return what training has used so far."""
        return self.spent_at(samples=self.samples, steps=self.steps)

    def spent_at(self, *, samples: int, steps: int) -> Spent:
        """Return what training will have used after these samples and steps; seconds are the last agreed ones."""
        return Spent(samples, steps, self.samples_per_epoch, self.flops_per_sample, self.agreed)

    @property
    def fraction(self) -> float:
        """Return the used share of the budget, at most 1.0."""
        return min(1.0, self.budget.used(self.spent()))

    @property
    def over(self) -> bool:
        """Return whether the budget is used up."""
        return self.budget.used(self.spent()) >= 1.0

    def pauses(self, before: Spent, after: Spent) -> bool:
        """Return whether a validation is due between `before` and `after`, or the budget is used up by `after`.

        The time between two pauses is one Lightning epoch: Lightning resumes best at the end of an epoch.
        """
        due = int(self.validate_every.used(after)) > int(self.validate_every.used(before))
        return due or self.budget.used(after) >= 1.0

    def state(self) -> dict[str, float]:
        """Return the numbers that a checkpoint keeps."""
        return {"samples": self.samples, "steps": self.steps, "seconds": self.seconds}

    def restore(self, samples: int, steps: int, seconds: float) -> None:
        """Continue from a checkpoint's numbers."""
        self.samples, self.steps, self.seconds = samples, steps, seconds
        self.agreed = seconds
