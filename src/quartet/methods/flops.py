"""Floating-point operations of training: torch's counter counts the operators that really run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from quartet.types import QuartetError

Shape = Sequence[int]


def attention(q: Shape, k: Shape, v: Shape, *_: Any, **__: Any) -> int:
    """Return the operations of attention, forward."""
    return int(sdpa_flop_count(q, k, v))  # type: ignore[no-untyped-call]


def attention_backward(grad: Shape, q: Shape, k: Shape, v: Shape, *_: Any, **__: Any) -> int:
    """Return the operations of attention, backward."""
    return int(sdpa_backward_flop_count(grad, q, k, v))  # type: ignore[no-untyped-call]


# Torch counts the products inside fused attention on GPUs, but not on CPUs, where we count. The backward pass has five
# products for the forward pass's two, as it computes the scores again. Work that a causal mask saves still counts.
ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward,
}


def count_flops(run: Callable[[], object]) -> float:
    """Return the operations that `run` executes: matrix products and convolutions; a multiply-add counts as two.

    Fused recurrent kernels hide their products from the counter, so that they are switched off meanwhile.
    """
    counter = FlopCounterMode(display=False, custom_mapping=ON_CPU)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="TF32 acceleration")  # setting the flags warns about Intel GPUs
        with torch.backends.mkldnn.flags(enabled=False), torch.backends.cudnn.flags(enabled=False), counter:
            run()
    return float(counter.get_total_flops())


def count_training_flops(model: nn.Module, losses: Callable[[], Sequence[Tensor]]) -> float:
    """Return the operations of `losses` and their gradients; the model stays unchanged. Raises QuartetError for 0."""
    weights = {name: value.clone() for name, value in model.state_dict().items()}

    def run() -> None:
        for loss in losses():
            loss.backward()

    total = count_flops(run)
    model.zero_grad(set_to_none=True)
    model.load_state_dict(weights)  # batch norm's statistics have changed
    if total <= 0:
        raise QuartetError("counted no operations in a training step: flops cannot be reported or budgeted")
    return total
