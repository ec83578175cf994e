"""C2: a CNN finds shifted shapes; a net without shared weights does not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from findings.convolution.toys import SEEDS, Pictures, decided, learn, runs_of, trained, without_shared_weights
from torch import Tensor, nn

from quartet.findings import Trained, Verdict
from quartet.findings.convolution import shift_equivariance
from quartet.findings.convolution.shift_equivariance import _losses
from quartet.findings.convolution.shifts import moved, relative_error, shared, spread_over_examples, uncut
from quartet_app.findings.conclude import with_interval


def test_moves_fill_with_zeros_and_back_again_lose_the_edge() -> None:
    x_NHWC = torch.arange(1, 10).reshape(1, 3, 3, 1)
    assert moved(x_NHWC, (1, 0))[0, ..., 0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert moved(x_NHWC, (0, -1))[0, ..., 0].tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    assert torch.equal(moved(x_NHWC, (0, 0)), x_NHWC)
    assert moved(x_NHWC, (3, 0)).sum() == 0


def test_only_content_that_leaves_the_frame_is_cut() -> None:
    x_NHWC = torch.zeros(2, 4, 4, 1, dtype=torch.uint8)
    x_NHWC[0, 1, 1], x_NHWC[1, 3, 0] = 9, 1
    assert uncut(x_NHWC, (2, 0)).tolist() == [True, False]
    assert uncut(x_NHWC, (0, 3)).tolist() == [False, True]
    assert uncut(x_NHWC, (0, -1)).tolist() == [True, False]


def test_the_error_of_maps_that_move_along_is_zero_and_of_unrelated_ones_the_root_of_two() -> None:
    z_NChw = torch.randn(40, 3, 9, 8)
    after = torch.cat((torch.randn(40, 3, 2, 8), z_NChw[:, :, :-2]), 2)
    before, same = shared(z_NChw, after, 2, margin=1)
    assert before.shape == (40, 3, 5, 6)
    assert relative_error(same, before) == 0
    assert relative_error(torch.randn(before.shape), before) == pytest.approx(2**0.5, rel=0.05)
    assert relative_error(before - 3, before) == pytest.approx(3, rel=0.05)


def test_the_mean_of_scores_is_the_mean_over_lengths_of_valid_pairs() -> None:
    change = np.array([[[1.0, 0, 1, 0], [1, 9, 9, 9]], [[0, 0, 1, 9], [9, 9, 9, 9]], [[7, 7, 7, 7], [7, 7, 7, 7]]])
    valid = change < 7  # of the first length five pairs with 3 in all, of the second three with 1, of the third none
    scores_N = spread_over_examples(change, valid)
    assert scores_N.mean() == pytest.approx((3 / 5 + 1 / 3) / 2)
    assert scores_N[3] == 0
    assert spread_over_examples(change[2:], valid[2:]).tolist() == [0, 0, 0, 0]


def test_shared_weights_hold_and_weights_of_each_place_do_not() -> None:
    data = Pictures(wander=1)
    mlp = runs_of(data, "mlp", steps=30, width=32)
    cnn = runs_of(data, "cnn", steps=60, width=8, stages=2)
    apart = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        apart.append(trained(learn(without_shared_weights(), data, steps=60, seed=seed), data, seed=seed))
    others = {"cnn_shifted": cnn, "mlp": mlp, "mlp_shifted": mlp}
    verdicts = {}
    for name, runs in (("shared", cnn), ("apart", apart)):
        found = shift_equivariance({"cnn": runs, **others}, images=60, pixels=4)
        verdicts[name] = decided("C2", found)
    assert verdicts["shared"][0] is Verdict.HOLDS
    assert verdicts["apart"][0] is not Verdict.HOLDS
    assert verdicts["apart"][1]["equivariance_error"] is False
    assert verdicts["apart"][1]["accuracy_lost_far_cnn"] is False


class Nearsighted(nn.Module):
    """A CNN that mistakes dim shapes more than `reach` pixels beside the middle, though its maps move along."""

    def __init__(self, model: Any, reach: int) -> None:
        super().__init__()
        self.model, self.encoder, self.reach = model, model.encoder, reach

    @property
    def kernels(self) -> Tensor:
        return self.model.kernels

    def forward(self, x_NHWC: Tensor) -> Tensor:
        logits_NK = self.model(x_NHWC)
        light_N = x_NHWC.flatten(1).amax(1)
        middle_N2 = torch.stack([place(x_NHWC.float().sum((3, axis))) for axis in (2, 1)], 1)
        far_N = ((middle_N2 - 7.5).abs() > self.reach).any(1) & (light_N < 138)  # one shape in seven is so dim
        return torch.where(far_N[:, None], -logits_NK, logits_NK)


def place(light_NP: Tensor) -> Tensor:
    """Where the middle of the light is on an axis, in pixels."""
    return light_NP @ torch.arange(float(light_NP.shape[1])) / light_NP.sum(1).clamp(min=1e-9)


def test_a_net_that_loses_far_shifts_only_does_not_hold() -> None:
    """The mean over all lengths is within what the statement allows."""
    middle = Pictures(wander=0)
    mlp = runs_of(Pictures(wander=1), "mlp", steps=30, width=32)
    cnn = runs_of(Pictures(wander=1), "cnn", steps=60, width=8, stages=2)
    near = [trained(Nearsighted(run.model, reach=3), middle, seed=run.seed) for run in cnn]
    others = {name: [trained(run.model, middle, seed=run.seed) for run in mlp] for name in ("mlp", "mlp_shifted")}
    found = shift_equivariance({"cnn": near, "cnn_shifted": near, **others}, images=256, pixels=5)
    assert with_interval(np.asarray(found.numbers["accuracy_lost_cnn"].values).tolist(), "").high < 0.1
    verdict, met = decided("C2", found)
    assert verdict is Verdict.IN_PART
    assert [name for name, held in met.items() if held is False] == ["accuracy_lost_far_cnn"]


class Still(nn.Module):
    """Recognises a point of light 9 where it lies in these pictures, and nothing else."""

    def forward(self, x_NHWC: Tensor) -> Tensor:
        in_place_N = (x_NHWC[:, 1, 1, 0] == 9) | (x_NHWC[:, 0, 1, 0] == 9)
        return torch.stack((~in_place_N, in_place_N), 1).float()


def test_losses_by_hand() -> None:
    """Points in the middle, one of them never recognised, and one at the upper edge, which a move up cuts off."""
    x_NHWC, y_N = torch.zeros(4, 3, 3, 1, dtype=torch.uint8), torch.ones(4, dtype=torch.long)
    x_NHWC[:3, 1, 1, 0], x_NHWC[3, 0, 1, 0] = torch.tensor([9, 9, 1]), 9
    data: Any = SimpleNamespace(batches=lambda split: [{"x": x_NHWC, "y": y_N}])
    found = _losses(trained_on(data, Still()), 4, 1)
    # Up: the points of the middle come to a place that counts, that of the edge is gone. Down: they leave it, and that
    # of the edge comes to the middle. To the sides all three are lost.
    assert found.all_N.mean() == pytest.approx(((1 + 3) / 8 + (2 + 3) / 8) / 2)
    assert found.uncut_N.mean() == pytest.approx(((0 + 3) / 7 + (2 + 3) / 8) / 2)
    assert found.far_N.tolist() == found.uncut_N.tolist()  # of one length
    np.testing.assert_allclose(found.curve_P, [3 / 4 - 3 / 7, 3 / 4, 3 / 4 - 5 / 8])


def trained_on(data: Any, model: nn.Module) -> Trained:
    """A model and its data as a finding gets them, without records."""
    return replace(runs_of(Pictures(), "mlp", steps=0, width=8)[0], load=lambda: model, open_data=lambda: data)
