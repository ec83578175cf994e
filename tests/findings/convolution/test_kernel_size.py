"""C3: samples and accuracy by the size of the kernels, from the records of trainings."""

from __future__ import annotations

import math

import pytest
from findings.convolution.toys import Pictures, decided, given, runs_of

from quartet.findings import Trained, Verdict
from quartet.findings.convolution import kernel_size
from quartet.findings.convolution.kernel_size import samples_until
from quartet.types import QuartetError

Record = tuple[tuple[float, ...], tuple[float, float, float]]  # validation accuracies; test accuracies by seed


def curve(*values: float) -> list[dict[str, float]]:
    return [{"samples": 1000.0 * i, "val/accuracy": value} for i, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        ((0.5, 0.9), 0.7, 1500),
        ((0.5, 0.9), 0.3, 500),  # half of the way from chance, 0.1, to 0.5
        ((0.5, 0.9), 0.9, 2000),
        ((0.6, 0.4, 0.8), 0.7, 2500),  # from the best so far
        ((0.5, 0.9), 0.05, 0),
        ((0.5, 0.9), 0.95, math.inf),
    ],
)
def test_samples_until_an_accuracy(values: tuple[float, ...], target: float, expected: float) -> None:
    assert samples_until(curve(*values), target, chance=0.1) == pytest.approx(expected)


def nets(values: tuple[float, ...], accuracy: tuple[float, float, float], parameters: int = 1000) -> list[Trained]:
    runs = runs_of(Pictures(), "cnn", steps=0, width=8, stages=2)
    return given(runs, accuracy, curve=curve(*values), parameters=parameters)


def records(**others: list[Trained]) -> dict[str, list[Trained]]:
    """Small kernels that learn fast, and others that do not."""
    slow: Record = ((0.3, 0.5, 0.6, 0.8), (0.80, 0.81, 0.82))
    fast: Record = ((0.6, 0.8, 0.88, 0.9), (0.90, 0.91, 0.92))
    runs = {"cnn": nets(*fast), "whole": nets(*slow), "mlp": nets(*slow)}
    smaller = {
        "cnn_smaller": nets(*fast, 300),
        "whole_smaller": nets(*slow, 310),
        "mlp_smaller": nets(*slow, 300),
    }
    return {**runs, **smaller, "middle": nets(*fast), **others}


def test_small_kernels_that_learn_faster_hold() -> None:
    found = kernel_size(records(middle=nets((0.5, 0.7, 0.8, 0.88), (0.89, 0.89, 0.89))))
    assert found.numbers["samples_whole_over_small"].values == pytest.approx([2, 2, 2])
    assert found.numbers["accuracy_small_minus_3"].values == pytest.approx([0.01, 0.02, 0.03])  # kernels of 3 here too
    assert decided("C3", found)[0] is Verdict.HOLDS
    assert list(found.figures) == ["training"]


def test_whole_kernels_that_learn_as_fast_do_not() -> None:
    fast = nets((0.6, 0.8, 0.88, 0.9), (0.90, 0.91, 0.92))
    smaller = nets((0.6, 0.8, 0.88, 0.9), (0.90, 0.91, 0.92), 300)
    found = kernel_size(records(whole=fast, whole_smaller=smaller, middle=[]))
    assert decided("C3", found) == (
        Verdict.IN_PART,
        {
            "samples_whole_over_small": False,
            "accuracy_small_minus_whole_largest": False,
            "accuracy_small_minus_mlp_largest": True,
        },
    )
    found = kernel_size(records(whole=fast, mlp=fast, whole_smaller=smaller, mlp_smaller=smaller, middle=[]))
    assert decided("C3", found)[0] is Verdict.DOES_NOT


def test_a_gain_of_the_smaller_nets_alone_does_not_count() -> None:
    """The largest nets are those whose samples are counted; the mean over sizes would be 0.07."""
    learning = (0.3, 0.5, 0.6, 0.8)
    large = {name: nets(learning, (0.90, 0.91, 0.92)) for name in ("whole", "mlp")}
    small = {f"{name}_smaller": nets(learning, (0.76, 0.77, 0.78), 300) for name in large}
    found = kernel_size(records(**large, **small))
    assert found.numbers["accuracy_small_minus_whole"].values == pytest.approx([0.07, 0.07, 0.07])
    verdict, met = decided("C3", found)
    assert verdict is Verdict.IN_PART
    assert [name for name, held in met.items() if held] == ["samples_whole_over_small"]


def test_nets_of_unequal_size_or_seeds_are_refused() -> None:
    with pytest.raises(QuartetError, match=r"give them equal match\.parameters"):
        kernel_size(records(whole=nets((0.5,), (0.5, 0.5, 0.5), 1200)))
    with pytest.raises(QuartetError, match=r"give them equal match\.parameters"):
        kernel_size(records(middle=nets((0.5,), (0.5, 0.5, 0.5), 1200)))
    with pytest.raises(QuartetError, match="not been trained with the same seeds"):
        kernel_size(records(cnn=nets((0.5,), (0.5, 0.5, 0.5))[:2]))


def test_nets_that_learned_nothing_need_as_many_samples() -> None:
    nothing = nets((0.2, 0.25), (0.25, 0.25, 0.25))
    found = kernel_size(records(whole=nothing, middle=[]))
    assert found.numbers["samples_whole_over_small"].values == [1, 1, 1]
