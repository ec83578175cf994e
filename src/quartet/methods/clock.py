"""What training has taken so far, and when it pauses: told to the method that trains and to the data that it reads."""

from __future__ import annotations

import time

import torch
import torch.distributed as dist

from quartet.budget import Budget, Spent
from quartet.methods.ranks import several


class TrainingClock:
    """Count samples, steps and seconds of training; say how much of the budget is used and where a pause is due.

    Seconds differ from rank to rank. Where a budget counts them, `agree_on_seconds` takes those of rank 0 for all.

    Args:
        budget: when training has had enough.
        validate_every: how often to validate and to write a checkpoint.
        samples_per_epoch: training samples of the data.
    """

    def __init__(self, *, budget: Budget, validate_every: Budget, samples_per_epoch: int) -> None:
        self.budget, self.validate_every, self.samples_per_epoch = budget, validate_every, samples_per_epoch
        self.samples, self.steps, self.flops_per_sample = 0, 0, 0.0
        self.seconds, self.began = 0.0, 0.0  # of training, until it last paused; when it went on, 0.0 in a pause
        self.agreed = 0.0  # seconds that all ranks have, where they count

    def count(self, samples: int) -> None:
        """Add one step of so many samples."""
        self.samples += samples
        self.steps += 1

    def start(self) -> None:
        self.began = time.perf_counter()

    def stop(self) -> None:
        self.seconds = self.elapsed()
        self.began = 0.0

    def elapsed(self) -> float:
        """Seconds of training so far, by this rank's clock."""
        return self.seconds + (time.perf_counter() - self.began if self.began else 0.0)

    def agree_on_seconds(self) -> None:
        """Take rank 0's seconds for all ranks, which exchange them; nothing happens where no budget counts seconds.

        Every rank must call it equally often.
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
        return self.spent_at(samples=self.samples, steps=self.steps)

    def spent_at(self, *, samples: int, steps: int) -> Spent:
        """What will have been spent after so many samples and steps, as far as the seconds are known by now."""
        return Spent(samples, steps, self.samples_per_epoch, self.flops_per_sample, self.agreed)

    @property
    def fraction(self) -> float:
        """The share of the budget that is used, 1.0 at most."""
        return min(1.0, self.budget.used(self.spent()))

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        return self.budget.used(self.spent()) >= 1.0

    def pauses(self, before: Spent, after: Spent) -> bool:
        """Whether a validation falls due between the two, or the budget is spent by `after`.

        One Lightning epoch lies between two pauses, so that a run resumes where Lightning resumes best.
        """
        due = int(self.validate_every.used(after)) > int(self.validate_every.used(before))
        return due or self.budget.used(after) >= 1.0

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps of it."""
        return {"samples": self.samples, "steps": self.steps, "seconds": self.seconds}

    def restore(self, samples: int, steps: int, seconds: float) -> None:
        self.samples, self.steps, self.seconds = samples, steps, seconds
        self.agreed = seconds
