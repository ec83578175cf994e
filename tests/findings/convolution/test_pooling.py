"""C6: what pooling saves, and pooling that pools nothing."""

from __future__ import annotations

import pytest
from findings.convolution.toys import Pictures, decided, given, runs_of

from quartet.findings import Trained, Verdict
from quartet.findings.convolution import pooling
from quartet.findings.convolution.pooling import blockwise, values
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


def test_what_should_be_equal_and_is_not_is_refused() -> None:
    runs = records("average")
    with pytest.raises(QuartetError, match=r"set match\.flops so that they are equal"):
        pooling({**runs, "unpooled_equal_flops": runs["unpooled"]})
    with pytest.raises(QuartetError, match=r"set match\.parameters so that they are equal"):
        pooling({**runs, "unpooled": runs["unpooled_equal_flops"]})
    other = [run for run in runs["max_pooled"] if run.seed]
    with pytest.raises(QuartetError, match="cannot be compared; train both with the same"):
        pooling({**runs, "max_pooled": other})
