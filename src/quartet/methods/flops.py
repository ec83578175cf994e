"""Floating-point operations of training, counted by torch's own counter over the operators that really ran."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode


def count_flops(run: Callable[[], None]) -> float:
    """The operations that `run` executes: matrix products and convolutions, a multiply-add as two.

    Fused recurrent kernels hide their products from the counter, so that they are switched off meanwhile.
    """
    counter = FlopCounterMode(display=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="TF32 acceleration")  # of Intel GPUs, said by entering the flags
        with torch.backends.mkldnn.flags(enabled=False), torch.backends.cudnn.flags(enabled=False), counter:
            run()
    return float(counter.get_total_flops())
