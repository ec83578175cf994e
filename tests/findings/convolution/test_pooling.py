"""C6: what pooling saves, and pooling that pools nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from findings.convolution.toys import Pictures, decided, given, runs_of
from torch import Tensor, nn

from quartet.findings import Trained, Verdict
from quartet.findings.convolution import pooling
from quartet.findings.convolution.pooling import REPEATS, blockwise, values
from quartet.types import QuartetError


def nets(pool: str) -> list[Trained]:
    return runs_of(Pictures(), "cnn", steps=0, width=8, stages=2, depth=1, pool=pool)


def records(pool: str) -> dict[str, list[Trained]]:
    pooled, plain = nets(pool), nets("none")
    narrow = runs_of(Pictures(), "cnn", steps=0, width=2, stages=2, depth=1, pool="none")
    return {
        "pooled": given(pooled, (0.90, 0.91, 0.92)),
        "max_pooled": given(nets("max"), (0.90, 0.92, 0.92)),
        "unpooled": given(plain, (0.90, 0.91, 0.92)),
        "unpooled_equal_flops": given(narrow, (0.70, 0.72, 0.73), flops=pooled[0].flops),
    }


def test_values_of_the_maps() -> None:
    """Convolution, pooling, norm, rectifier and residual block, with 8 and then 16 channels."""
    first, second = 16 * 16 * 8, 8 * 8 * 8
    assert values(nets("average")[0])[:5] == [first, second, second, second, second]
    assert blockwise(nets("average")[0]) == [second, second, 4 * 4 * 16, 4 * 4 * 16]
    assert blockwise(nets("none")[0]) == [first, first, 2 * first, 2 * first]


def test_pooling_that_saves_holds_and_pooling_that_pools_nothing_does_not() -> None:
    found = pooling(records("average"), images=10)
    assert decided("C6", found)[0] is Verdict.HOLDS
    assert "average pooling: " in found.texts["Time on this machine"]
    runs = records("none")
    runs["unpooled_equal_flops"] = runs["unpooled"]
    verdict, met = decided("C6", pooling(runs, images=10))
    assert verdict is Verdict.IN_PART  # it costs nothing either
    assert [name for name, held in met.items() if held] == ["accuracy_gain_equal_parameters"]


class Clock:
    """Shows seconds that pass only where a net takes them, and which nets took them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns: list[str] = []

    def __call__(self) -> float:
        return self.now


class Slow(nn.Module):
    """A net that takes these seconds a pass; the first pass, and the one that is disturbed, take ten more."""

    def __init__(self, model: Any, clock: Clock, name: str, seconds: float, disturbed: int) -> None:
        super().__init__()
        self.model, self.encoder, self.kernels = model, model.encoder, model.kernels
        self.clock, self.name, self.seconds, self.late, self.passes = clock, name, seconds, {0, disturbed}, 0

    def forward(self, x_NHWC: Tensor) -> Tensor:
        if len(x_NHWC) > 1:  # one image alone is read for the values of its maps
            self.clock.now += self.seconds + 10 * (self.passes in self.late)
            self.clock.turns.append(self.name)
            self.passes += 1
        return self.model(x_NHWC)


def slowed(run: Trained, clock: Clock, name: str, *, seconds: float) -> Trained:
    """The same run with a net that takes so long, for each seed disturbed in another pass."""
    slow = Slow(run.model, clock, f"{name} {run.seed}", seconds, 1 + run.seed)
    return replace(run, load=lambda: slow)


def test_the_time_is_the_shortest_of_each_seed_and_the_nets_take_turns() -> None:
    clock, taken = Clock(), {"pooled": 1.0, "max_pooled": 2.0, "unpooled": 4.0, "unpooled_equal_flops": 3.0}
    runs = {
        name: [slowed(run, clock, name, seconds=taken[name]) for run in of_name]
        for name, of_name in records("average").items()
    }
    found = pooling(runs, images=10, clock=clock)
    assert np.asarray(found.numbers["time_log2_pooled_over_unpooled"].values).tolist() == [-2, -2, -2]
    assert clock.turns == [f"{name} {seed}" for seed in (0, 1, 2) for _ in range(1 + REPEATS) for name in taken]
    assert found.texts["Time on this machine"].splitlines()[2] == ("no pooling, same parameters: 4000 ms for 10 images")


def test_what_should_be_equal_and_is_not_is_refused() -> None:
    runs = records("average")
    with pytest.raises(QuartetError, match=r"set match\.flops so that they are equal"):
        pooling({**runs, "unpooled_equal_flops": runs["unpooled"]})
    with pytest.raises(QuartetError, match=r"set match\.parameters so that they are equal"):
        pooling({**runs, "unpooled": runs["unpooled_equal_flops"]})
    other = [run for run in runs["max_pooled"] if run.seed]
    with pytest.raises(QuartetError, match="cannot be compared; train both with the same"):
        pooling({**runs, "max_pooled": other})
