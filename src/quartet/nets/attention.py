"""Attention (Vaswani et al. 2017), on torch's fused kernel: to oneself, and to a memory, shared by all families.

The weights of attention are not dropped out: the fused kernel could not, and without it attention takes twice as long.

Shapes: B batch, L length (T queries, S keys), D width, H heads, d = D // H.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.nets.position import Rotation, rotate
from quartet.types import QuartetError

# Keys and values of the positions so far, each BHLd.
KVCache = tuple[Tensor, Tensor]


class SelfAttention(nn.Module):
    """x_BLD attends to itself and, if given, to the `past` before it; returns also the past of what comes next."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, x_BLD: Tensor, *, causal: bool, mask_BL: Tensor | None, rotation: Rotation | None, past: KVCache | None
    ) -> tuple[Tensor, KVCache]:
        qk_BLE, v_BLD = self.qkv(x_BLD).split((2 * x_BLD.shape[2], x_BLD.shape[2]), -1)
        if rotation is None:
            q, k = qk_BLE.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        else:
            q, k = rotate(qk_BLE, rotation, heads=self.heads).unbind()
        v = v_BLD.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        allowed = None if mask_BL is None else mask_BL[:, None, None]
        if past is not None and q.shape[2] > 1:  # a later chunk: the kernel's own causal mask would start at its corner
            place = torch.arange(k.shape[2], device=k.device)
            allowed = place <= place[-q.shape[2] :, None]
        y_BHLd = F.scaled_dot_product_attention(q, k, v, allowed, is_causal=causal and past is None)
        return self.out(y_BHLd.transpose(1, 2).flatten(2)), (k, v)


class CrossAttention(nn.Module):
    """x_BTD attends to a memory, whose keys and values `precompute_kv` computes once for all steps of decoding.

    Heads have D // H features each, so that any width will do.
    """

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        if width < heads:
            raise QuartetError(f"net.heads={heads} with net.width={width}: a head needs a feature; take fewer heads")
        self.heads = heads
        shared = width // heads * heads
        self.q = nn.Linear(width, shared, bias=False)
        self.kv = nn.Linear(width, 2 * shared, bias=False)
        self.out = nn.Linear(shared, width, bias=False)

    def precompute_kv(self, source_BSD: Tensor) -> KVCache:
        k, v = self.kv(source_BSD).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        return k, v

    def forward(self, x_BTD: Tensor, past: KVCache, mask_BS: Tensor) -> Tensor:
        y_BHTd = F.scaled_dot_product_attention(self._queries(x_BTD), *past, mask_BS[:, None, None])
        return self.out(y_BHTd.transpose(1, 2).flatten(2))

    def weights(self, x_BTD: Tensor, past: KVCache, mask_BS: Tensor) -> Tensor:
        """a_BHTS, the share of each source position: what the fused kernel computes and does not tell."""
        q_BHTd = self._queries(x_BTD)
        scores_BHTS = q_BHTd @ past[0].mT / math.sqrt(q_BHTd.shape[-1])
        return scores_BHTS.masked_fill(~mask_BS[:, None, None], -math.inf).softmax(-1)

    def _queries(self, x_BTD: Tensor) -> Tensor:
        return self.q(x_BTD).unflatten(-1, (self.heads, -1)).transpose(1, 2)
