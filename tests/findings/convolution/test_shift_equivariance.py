"""C2: a CNN finds shifted shapes; a net without shared weights does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from findings.convolution.toys import SEEDS, Pictures, decided, learn, runs_of, trained, without_shared_weights

from quartet.findings import Verdict
from quartet.findings.convolution import shift_equivariance
from quartet.findings.convolution.shifts import moved, relative_error, shared, spread_over_examples, uncut


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
    assert verdicts["apart"][1]["accuracy_lost_cnn"] is False
