from __future__ import annotations

import pytest
import torch
from torch import nn

from quartet.methods.flops import count_flops


def test_a_linear_layer_by_hand() -> None:
    layer, x = nn.Linear(5, 7), torch.randn(3, 5, requires_grad=True)
    # Forward, gradient of the weights, gradient of the input: a product of 3 × 5 × 7 each, a multiply-add as two.
    assert count_flops(lambda: layer(x).sum().backward()) == 3 * 2 * 3 * 5 * 7


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_kernels_do_not_hide(cell: type[nn.RNNBase], gates: int) -> None:
    layer, x = cell(4, 6, batch_first=True), torch.randn(2, 5, 4)
    with torch.no_grad():
        counted = count_flops(lambda: layer(x))
    assert counted == 2 * (2 * 5) * gates * 6 * (4 + 6)


def test_a_convolution_by_hand() -> None:
    layer, x = nn.Conv2d(2, 3, 3, padding=1), torch.randn(4, 2, 8, 8)
    with torch.no_grad():
        assert count_flops(lambda: layer(x)) == 2 * 4 * 8 * 8 * 3 * 2 * 9
