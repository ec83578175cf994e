from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from torch import nn

from quartet.methods.flops import count_flops
from quartet.types import Classes, Pixels, Tokens
from quartet_app.config.composing import compose_group


def build(net: str, **settings: Any) -> Any:
    """A net as shipped but for these settings."""
    return instantiate({**compose_group("net", net), **settings})


def test_a_linear_layer_by_hand() -> None:
    layer, x = nn.Linear(5, 7), torch.randn(3, 5, requires_grad=True)
    # Forward, gradient of the weights, gradient of the input: a product of 3 × 5 × 7 each, a multiply-add as two.
    assert count_flops(lambda: layer(x).sum().backward()) == 3 * 2 * 3 * 5 * 7


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_kernels_do_not_hide(cell: Callable[..., nn.RNNBase], gates: int) -> None:
    layer, x = cell(4, 6, batch_first=True), torch.randn(2, 5, 4)
    with torch.no_grad():
        counted = count_flops(lambda: layer(x))
    assert counted == 2 * (2 * 5) * gates * 6 * (4 + 6)


def test_a_convolution_by_hand() -> None:
    layer, x = nn.Conv2d(2, 3, 3, padding=1), torch.randn(4, 2, 8, 8)
    with torch.no_grad():
        assert count_flops(lambda: layer(x)) == 2 * 4 * 8 * 8 * 3 * 2 * 9


def test_attention_on_the_fused_kernel_by_hand() -> None:
    q, k, v = (torch.randn(2, 4, length, 16, requires_grad=True) for length in (8, 12, 12))
    product = 2 * 2 * 4 * 8 * 12 * 16
    assert count_flops(lambda: F.scaled_dot_product_attention(q, k, v)) == 2 * product
    # Backward: the scores again, and the gradients of values, scores, queries and keys.
    assert count_flops(lambda: F.scaled_dot_product_attention(q, k, v).sum().backward()) == (2 + 5) * product


# Whole models, forward and backward. A layer's backward pass takes as much as its forward pass for the gradient of its
# weights, and as much again for that of its input, which the first layer on data does not need.


def test_a_small_cnn_by_hand() -> None:
    net = build("cnn", width=8, growth=2.0, stages=2, depth=1, pool="average", norm="batch", dropout=0.0)
    model = net.classifier(
        Pixels(height=8, width=8, channels=1, mean=(0.0,), std=(1.0,)), Classes(names=("a", "b", "c"))
    )
    x = torch.randint(0, 256, (4, 8, 8, 1), dtype=torch.uint8)
    counted = count_flops(lambda: model(x).sum().backward())
    first = 8 * 8 * 9 * 1 * 8
    others = 2 * 4 * 4 * 9 * 8 * 8 + 4 * 4 * 9 * 8 * 16 + 2 * 2 * 2 * 9 * 16 * 16 + 16 * 3
    assert counted == 2 * 4 * (2 * first + 3 * others)


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3)])
def test_a_small_recurrent_language_model_by_hand(cell: str, gates: int) -> None:
    width, length, words = 12, 6, 50
    model = build("rnn", cell=cell, width=width, layers=2, dropout=0.0).language_model(Tokens(words, length))
    counted = count_flops(lambda: model(torch.randint(0, words, (4, length)))[0].sum().backward())
    read = 2 * length * gates * width * width  # of two layers, as much as what follows
    recur = 2 * length * gates * width * width
    # The state before the first step is no weight and needs no gradient.
    spared = 2 * gates * width * width
    assert counted == 2 * 4 * (3 * (read + recur + length * width * words) - spared)


def test_a_small_transformer_language_model_by_hand() -> None:
    width, heads, length, words = 16, 2, 6, 50
    net = build("transformer", width=width, heads=heads, layers=2, mlp_ratio=4.0, dropout=0.0)
    model = net.language_model(Tokens(words, length))
    counted = count_flops(lambda: model(torch.randint(0, words, (4, length)))[0].sum().backward())
    linear = length * (3 * width * width + width * width + 2 * 4 * width * width)
    attend = length * length * width  # one product of all heads
    assert counted == 2 * 4 * (2 * (3 * linear + 7 * attend) + 3 * length * width * words)
