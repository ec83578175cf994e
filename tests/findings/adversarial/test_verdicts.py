"""Each rule on players of known quality: a case where the statement holds, and one planted where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from findings.adversarial.toys import (
    SEEDS,
    Moment,
    Painter,
    copier,
    data,
    discriminator,
    honest,
    net_of,
    ruled,
    squares,
    task,
    trained,
)
from torch import nn

from quartet.findings import Measured, Trained, Verdict
from quartet.findings.adversarial import crossed_players, half_fooled, head_start, realism, telling_apart
from quartet.types import QuartetError

KINDS = ("cnn", "rnn", "transformer")


class Blind(nn.Module):
    """A discriminator that looks at nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.dtype = nn.Parameter(torch.zeros(1))

    def forward(self, x_BHWC: torch.Tensor) -> torch.Tensor:
        return 0.1 * torch.randn(len(x_BHWC), generator=torch.Generator().manual_seed(len(x_BHWC)))


def check(measured: Measured, *, seeds: int = len(SEEDS)) -> Measured:
    """All that a measurement returns can be shown."""
    for number in measured.numbers.values():
        assert len(number.values) == seeds
        assert np.isfinite(number.values).all(), number.about
    for figure in measured.figures.values():
        figure.canvas.draw()
    return measured


# G1


def pairs(*, failing: str | None) -> dict[str, list[Trained]]:
    """Nine pairs whose generators draw alike, but for the kind that never learns."""

    def generator(kind: str, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return task(kind).untrained() if kind == failing else honest(seed=seed, share=0.97)  # type: ignore[misc]

    return {
        f"{g}_{d}": [trained([Moment(generator(g, seed), Blind())], seed=seed, kind=g) for seed in SEEDS]
        for g in KINDS
        for d in KINDS
    }


def test_pairs_that_draw_alike_make_no_difference_and_a_kind_that_never_learns_does() -> None:
    alike = check(crossed_players(pairs(failing=None), kinds=KINDS))
    assert ruled("G1", alike) is Verdict.HOLDS
    assert alike.numbers["worst_over_best_pair"].values == pytest.approx(1)
    planted = check(crossed_players(pairs(failing="rnn"), kinds=KINDS))
    assert ruled("G1", planted) is Verdict.DOES_NOT
    assert np.mean(planted.numbers["worst_over_best_generator"].values) > 2
    assert planted.numbers["worst_over_best_discriminator"].values == pytest.approx(1)


def test_a_pair_that_is_missing_is_named() -> None:
    with pytest.raises(QuartetError, match=r"runs\.cnn_rnn: not given"):
        crossed_players({"cnn_cnn": one_pair()}, kinds=("cnn", "rnn"))


# G2


def course(judge_of: Callable[[Painter, int], nn.Module], seed: int) -> Trained:
    """A run whose generator gets better: at first all its images are noise, at last half of them are good."""
    moments = []
    for share in (0.0, 0.25, 0.5):
        generator = honest(seed=seed, share=share)
        moments.append(Moment(generator, judge_of(generator, seed)))
    return trained(moments, seed=seed)


def test_a_discriminator_tells_apart_and_one_that_saw_no_real_image_does_not() -> None:
    fair = [course(lambda generator, seed: discriminator(generator, seed=seed), seed) for seed in SEEDS]
    measured = check(telling_apart({"pair": fair}, examples=200))
    assert ruled("G2", measured) is Verdict.HOLDS
    one_sided = [
        course(lambda generator, seed: discriminator(generator, seed=seed, real=False), seed) for seed in SEEDS
    ]
    planted = check(telling_apart({"pair": one_sided}, examples=200))
    assert ruled("G2", planted) is Verdict.DOES_NOT
    assert planted.numbers["accuracy"].values == pytest.approx(0.5, abs=0.02)


# G3

STEPS = {"none": 0, "steps_50": 50, "steps_200": 200, "steps_1000": 1000}


def fid_curve(run: Trained, *, level: float, jump: float, steps: int, seed: int) -> Trained:
    """The run with a curve that falls to `level`, and jumps by the factor `jump` from validation to validation."""
    draw = np.random.default_rng(seed)
    start = steps * data().batch_size
    signs = np.where(np.arange(12) % 2, 1, -1) * draw.uniform(0.9, 1.1, 12)
    fid = level * (1 + 4 * np.exp(-np.arange(12) / 3)) * jump**signs
    curve = [{"samples": start + 1000.0 * (i + 1), "val/fid": float(value)} for i, value in enumerate(fid)]
    return replace(run, seed=seed, curve=curve, metrics={"test/fid": level * draw.uniform(0.99, 1.01)})


def starts(levels: Mapping[str, float], jumps: Mapping[str, float]) -> dict[str, list[Trained]]:
    run = trained([Moment(honest(), Blind())], seed=0)
    return {
        name: [fid_curve(run, level=levels[name], jump=jumps[name], steps=steps, seed=seed) for seed in SEEDS]
        for name, steps in STEPS.items()
    }


def measured_start(runs: Mapping[str, Sequence[Trained]]) -> Measured:
    return check(head_start(runs, steps=STEPS, little=("steps_50", "steps_200"), much="steps_1000"))


def test_a_head_start_that_helps_and_one_that_changes_nothing() -> None:
    helps = starts(
        {"none": 5.0, "steps_50": 4.0, "steps_200": 3.8, "steps_1000": 6.0},
        {"none": 1.2, "steps_50": 1.05, "steps_200": 1.05, "steps_1000": 1.3},
    )
    assert ruled("G3", measured_start(helps)) is Verdict.HOLDS
    nothing = starts(dict.fromkeys(STEPS, 5.0), dict.fromkeys(STEPS, 1.2))
    planted = measured_start(nothing)
    assert ruled("G3", planted) is Verdict.DOES_NOT
    assert planted.numbers["early_fid_little_over_none"].values == pytest.approx(1)


def test_steps_that_do_not_fit_the_runs_are_refused() -> None:
    with pytest.raises(QuartetError, match="steps"):
        head_start({"none": []}, steps={"none": 0, "more": 5}, little=("more",), much="more")


# G4


def ends(moments: Sequence[Moment], *, stop: int) -> dict[str, list[Trained]]:
    """A run to the end, and one that stops after so many validations."""
    return {
        "whole": [trained(moments, seed=seed) for seed in SEEDS],
        "stopped": [trained(moments[:stop], seed=seed) for seed in SEEDS],
    }


def measured_end(runs: Mapping[str, Sequence[Trained]]) -> Measured:
    return check(half_fooled(runs, tolerance=0.05, patience=3, examples=200, epochs=4))


def test_a_discriminator_fooled_by_good_samples_and_one_that_is_blind() -> None:
    learning = []
    for share in (0.0, 0.5, 1.0, 1.0, 1.0):
        generator = honest(share=share)
        learning.append(Moment(generator, discriminator(generator, steps=15) if share < 1 else Blind()))
    done = measured_end(ends(learning, stop=5))
    assert ruled("G4", done) is Verdict.HOLDS
    assert list(done.numbers["rule_met"].values) == [1, 1, 1]
    assert min(done.numbers["fooled_goes_with_quality"].values) > 0.8
    blind = [Moment(honest(share=share), Blind()) for share in (0.0, 0.1, 0.2, 0.6, 0.9)]
    planted = measured_end(ends(blind, stop=3))
    assert ruled("G4", planted) is Verdict.DOES_NOT
    assert min(planted.numbers["fresh_accuracy_at_stop"].values) > 0.8
    assert min(planted.numbers["fid_at_stop_over_best"].values) > 1.5


# G5


def look(generator: Callable[[int], nn.Module]) -> Measured:
    runs = [trained([Moment(generator(seed), Blind())], seed=seed) for seed in SEEDS]
    return check(realism({"pair": runs}, examples=400, neighbours=400, trained_on=800, epochs=6))


def test_new_images_look_real_and_copies_and_noise_do_not() -> None:
    new = look(lambda seed: honest(seed=seed))
    assert ruled("G5", new) is Verdict.HOLDS
    copied = look(lambda seed: copier())
    assert ruled("G5", copied) is Verdict.DOES_NOT
    assert min(copied.numbers["copies"].values) == 1
    torch.manual_seed(0)
    assert ruled("G5", look(lambda seed: net_of("cnn").generator(16, data().inputs))) is Verdict.DOES_NOT


# What all share


@cache
def one_pair() -> list[Trained]:
    return [trained([Moment(honest(seed=seed), Blind())], seed=seed) for seed in SEEDS]


def test_measuring_twice_gives_the_same_bits() -> None:
    first, second = (
        realism({"pair": one_pair()}, examples=60, neighbours=60, trained_on=100, epochs=1) for _ in range(2)
    )
    assert {name: list(number.values) for name, number in first.numbers.items()} == {
        name: list(number.values) for name, number in second.numbers.items()
    }


def test_more_images_than_there_are_are_refused() -> None:
    with pytest.raises(QuartetError, match="401 images of test"):
        telling_apart({"pair": one_pair()}, examples=401)


def test_the_toys_show_what_they_say() -> None:
    """Images of a class have their light where its name says."""
    shown = squares(300, seed=5)
    light = shown["x"].float().mean((1, 3)).unflatten(1, (3, 4)).mean(2)
    assert torch.equal(light.argmax(1), shown["y"])
