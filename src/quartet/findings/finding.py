"""Define what a measurement is given and what it returns.

A measurement is a function `(runs, **settings) -> Measured`. `runs` maps the names that the finding's file gives to its
runs, as "cnn" or "mlp", to the trained runs of that name: one a seed and, where the file varies a setting, a value.
It trains nothing but probes of frozen features, changes no model, and returns the same numbers each time.

Shapes: S seeds, N examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from torch import nn


@dataclass(frozen=True)
class Trained:
    """A trained and evaluated run.

    Attributes:
        seed: of its weights and of the order of its data.
        values: the settings that the finding varies among the runs of this name, by key, as {"net.kernel": 5}.
        parameters: of the model.
        flops: of a training sample, forward and backward.
        metrics: by split and name, as "test/accuracy"; those of "val" belong to the best checkpoint.
        curve: rows of validation through training, each with "samples", "seconds" and metrics as "val/accuracy".
        scores: of each test example by name of the metric, each (N,), where the task keeps them.
        open_data: opens the DataModule: batches of "train", "val" and "test".
        load: builds the model with its best weights.
        task: the task of the run, for what only it knows, as the judge of generated images.
    """

    seed: int
    values: Mapping[str, Any]
    parameters: int
    flops: float
    metrics: Mapping[str, float]
    curve: Sequence[Mapping[str, float]]
    scores: Mapping[str, np.ndarray]
    open_data: Callable[[], Any]
    load: Callable[[], nn.Module]
    task: Any = None

    @cached_property
    def data(self) -> Any:
        """The DataModule of the run."""
        return self.open_data()

    @cached_property
    def model(self) -> nn.Module:
        """The model with its best weights on the CPU, in evaluation mode, without gradients of its weights."""
        return self.load().eval().requires_grad_(False)


@dataclass(frozen=True)
class Number:
    """A measured number.

    Attributes:
        values: one a seed, (S,); or one a seed and example, (S, N), where the same N examples were put to all seeds.
        about: what it is, in words, with its unit: "test accuracy lost at a shift of 4 pixels, CNN".
        ratio: whether it is a ratio of positive amounts, (S,). Then its mean is the geometric one and its interval that
            of logarithms: twice as much and half as much are equally far from the same.
    """

    values: np.ndarray | Sequence[float] | Sequence[Sequence[float]]
    about: str
    ratio: bool = False


@dataclass(frozen=True)
class Measured:
    """The result of a measurement.

    Attributes:
        numbers: by the names that the rule and the page use.
        figures: by name, in the page's order; the first is shown in summaries.
        texts: by heading, shown as they are: completions, sentences with their similarities.
    """

    numbers: Mapping[str, Number]
    figures: Mapping[str, Figure]
    texts: Mapping[str, str] = field(default_factory=dict)
