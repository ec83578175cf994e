"""C1: maps that are what stepping a kernel gives, and maps that are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from findings.convolution.toys import SEEDS, Pictures, decided, net, trained, without_shared_weights

from quartet.findings import Verdict
from quartet.findings.convolution import sliding_product
from quartet.findings.convolution.fields import diameter, seen
from quartet.findings.convolution.maps import steps
from quartet.findings.convolution.sliding_product import sliding
from quartet.types import QuartetError


def test_a_sliding_product_by_hand() -> None:
    x_CHW = np.arange(1.0, 10.0).reshape(1, 3, 3)
    edge = np.array([[0, 0, 0], [-1, 0, 1], [0, 0, 0]]).reshape(1, 1, 3, 3)
    assert sliding(x_CHW, edge, np.array([100.0])).tolist() == [[[102, 102, 98], [105, 102, 95], [108, 102, 92]]]


def test_it_is_torch_s_convolution_with_padding() -> None:
    x, kernels = torch.randn(3, 7, 6), torch.randn(4, 3, 5, 3)
    expected = torch.nn.functional.conv2d(x[None], kernels, padding=(2, 1))[0]
    np.testing.assert_allclose(sliding(x.numpy(), kernels.numpy()), expected, atol=1e-5)


@pytest.mark.parametrize("side", [1, 4, 7])
def test_the_diameter_of_a_square_is_its_side(side: int) -> None:
    g_HW = np.zeros((12, 12))
    g_HW[2 : 2 + side, 3 : 3 + side] = 0.3
    assert diameter(g_HW, share=1.0) == pytest.approx(side)
    assert diameter(g_HW) == pytest.approx(side, rel=0.06)
    assert diameter(0 * g_HW) == 0


def test_a_value_sees_its_window() -> None:
    model = net("cnn", width=8, kernel=5).eval()
    x_NHWC = Pictures(wander=0).batches("test")[0]["x"][:2]
    window = torch.zeros(16, 16, dtype=torch.bool)
    window[4:9, 5:10] = True
    assert torch.equal(seen(model, x_NHWC, steps(model)[0], (6, 7)), window)


def test_stepping_kernels_hold_and_kernels_of_each_place_do_not() -> None:
    data = Pictures(wander=0)
    shared = [trained(net("cnn", width=8), data, seed=seed) for seed in SEEDS]
    found = sliding_product({"cnn": shared}, images=2)
    assert decided("C1", found)[0] is Verdict.HOLDS
    assert found.numbers["image_seen"].values == [9 / 256] * 3
    assert list(found.figures) == ["kernels"]
    apart = [trained(without_shared_weights(), data, seed=seed) for seed in SEEDS]
    assert decided("C1", sliding_product({"cnn": apart}, images=2)) == (
        Verdict.IN_PART,
        {"largest_error": False, "image_seen": True},
    )
    whole = [trained(net("cnn", width=8, kernel="whole"), data, seed=seed) for seed in SEEDS]
    assert decided("C1", sliding_product({"cnn": whole}, images=1))[1] == {"largest_error": True, "image_seen": False}


def test_a_net_without_kernels_is_refused() -> None:
    with pytest.raises(QuartetError, match="has no kernels"):
        sliding_product({"cnn": [trained(net("mlp", width=8), Pictures(wander=0), seed=0)]})
    with pytest.raises(QuartetError, match=r"runs\.cnn: not given"):
        sliding_product({})
