"""C5: kernels that find several patterns, and copies of one kernel."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from findings.convolution.toys import Pictures, decided, given, net, runs_of, trained

from quartet.findings import Trained, Verdict
from quartet.findings.convolution import stacked_maps
from quartet.findings.convolution.maps import before_rectifier, first_images, maps, rectified
from quartet.findings.convolution.stacked_maps import components, effective_rank, flattened, unfolded
from quartet.types import QuartetError


def test_the_effective_rank_of_known_matrices() -> None:
    """Roy & Vetterli 2007: as many as there are equal singular values, one for rank one, exp of the entropy between."""
    assert effective_rank(torch.eye(5)) == pytest.approx(5)
    assert effective_rank(torch.outer(torch.arange(1.0, 4), torch.ones(7))) == pytest.approx(1)
    uneven = torch.tensor([[3.0, 0, 0], [0, 1, 0]])
    assert effective_rank(uneven) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_a_flattened_stack_keeps_its_mean_and_its_strongest_directions() -> None:
    z_NChw = torch.randn(6, 4, 5, 5) * torch.tensor([3.0, 2, 1, 0.5])[:, None, None] + 7
    directions_CC, mean_C = components(z_NChw), unfolded(z_NChw)[1].squeeze(1)
    torch.testing.assert_close(flattened(z_NChw, directions_CC, mean_C, 4), z_NChw, rtol=1e-4, atol=1e-4)
    flat = flattened(z_NChw, directions_CC, mean_C, 1)
    torch.testing.assert_close(flat.mean((0, 2, 3)), z_NChw.mean((0, 2, 3)), rtol=1e-4, atol=1e-4)
    assert torch.linalg.matrix_rank(unfolded(flat)[0], rtol=1e-4) == 1
    centred_CM = unfolded(z_NChw)[0]
    best = torch.linalg.svdvals(centred_CM)[1:].square().sum()  # Eckart & Young 1936
    assert float((z_NChw - flat).double().square().sum()) == pytest.approx(float(best), rel=1e-4)


def copies_of_one_kernel(run: Trained) -> Trained:
    """The same net, all first kernels (and the norms after them) copies of the first."""
    model: Any = copy.deepcopy(run.model)
    for value in (*model.encoder.layers[0].state_dict().values(), *model.encoder.layers[2].state_dict().values()):
        if value.ndim:
            value[:] = value[:1].clone()
    return trained(model, Pictures(), seed=run.seed)


def one_kernel_at_several_heights(run: Trained) -> Trained:
    """The same net, all first kernels copies of the first, the norms after them with unequal gains and biases."""
    model: Any = copy.deepcopy(copies_of_one_kernel(run).model)
    norm = model.encoder.layers[2]
    norm.weight[:] = torch.tensor([1.0, -1.0, 2.0, -0.5]).repeat(2)
    norm.bias[:] = torch.linspace(-2, 2, 8)
    return trained(model, Pictures(), seed=run.seed)


def test_one_kernel_at_several_heights_is_one_pattern() -> None:
    """A rectifier would make several patterns of them."""
    runs = [one_kernel_at_several_heights(run) for run in runs_of(Pictures(), "cnn", steps=60, width=8, stages=2)]
    (rectified_NChw,) = maps(runs[0].model, first_images(Pictures(), "test", 200)[0], rectified(runs[0].model)[:1])
    assert effective_rank(unfolded(rectified_NChw)[0]) > 2
    copied = given(runs, (0.7, 0.7, 0.7))
    found = stacked_maps({"cnn": copied, "narrower": copied, "one_then_wide": copied}, images=200)
    assert found.numbers["effective_rank"].values == pytest.approx([1, 1, 1], abs=1e-3)
    assert found.numbers["accuracy_lost_by_one_pattern"].values == pytest.approx([0, 0, 0], abs=0.011)  # by rounding
    assert decided("C5", found)[0] is Verdict.DOES_NOT


def test_a_net_without_a_rectifier_after_its_first_layer_is_refused() -> None:
    model: Any = net("cnn", width=8, stages=2)
    assert before_rectifier(model) is model.encoder.layers[2]
    del model.encoder.layers[1:4]
    with pytest.raises(QuartetError, match="not a convolution and a rectifier after it"):
        before_rectifier(model)


def test_several_patterns_hold_and_copies_of_one_do_not() -> None:
    runs = runs_of(Pictures(), "cnn", steps=60, width=8, stages=2)
    narrow = runs_of(Pictures(), "cnn", steps=0, width=1, stages=2)
    found = stacked_maps(
        {
            "cnn": given(runs, (0.90, 0.91, 0.92)),
            "narrower": given(narrow, (0.4, 0.4, 0.5)),
            "one_then_wide": given(narrow, (0.8, 0.82, 0.83)),
        },
        images=200,
    )
    assert decided("C5", found)[0] is Verdict.HOLDS
    copied = given([copies_of_one_kernel(run) for run in runs], (0.7, 0.7, 0.7))
    found = stacked_maps({"cnn": copied, "narrower": narrow, "one_then_wide": copied}, images=200)
    assert found.numbers["effective_rank"].values == pytest.approx([1, 1, 1], abs=1e-3)
    assert decided("C5", found)[0] is Verdict.DOES_NOT
