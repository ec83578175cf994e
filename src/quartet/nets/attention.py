"""Attention (Vaswani et al. 2017), by torch's fused kernel: self-attention and cross-attention, shared by all families.

Attention weights get no dropout: the fused kernel has none, and attention without it takes twice as long.

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
    """Self-attention of x_BLD, which also attends to the cached keys and values `past`, if given.

    `forward` returns the output and the cache for the next call. `mask_BL` is True at the keys that may be seen, also
    at those of `past`.
    """

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, x_BLD: Tensor, *, causal: bool, mask_BL: Tensor | None, rotation: Rotation | None, past: KVCache | None
    ) -> tuple[Tensor, KVCache]:
        q, k, v = self._heads(x_BLD, rotation, past)
        allowed = None if mask_BL is None else mask_BL[:, None, None]
        # The kernel would begin its causal mask at place 0. (A single query sees all keys.)
        if past is not None and (mask_BL is not None or q.shape[2] > 1):
            earlier_TS = until_itself(q, k)
            allowed = earlier_TS if allowed is None else allowed & earlier_TS
        y_BHLd = F.scaled_dot_product_attention(q, k, v, allowed, is_causal=causal and past is None)
        return self.out(y_BHLd.transpose(1, 2).flatten(2)), (k, v)

    def weights(
        self, x_BLD: Tensor, *, causal: bool, mask_BL: Tensor | None, rotation: Rotation | None, past: KVCache | None
    ) -> Tensor:
        """Return a_BHTS, the weight of each key, those of `past` first, which the fused kernel does not return."""
        q, k, _ = self._heads(x_BLD, rotation, past)
        scores_BHTS = q @ k.mT / math.sqrt(q.shape[-1])
        if mask_BL is not None:
            scores_BHTS = scores_BHTS.masked_fill(~mask_BL[:, None, None], -math.inf)
        if causal:
            scores_BHTS = scores_BHTS.masked_fill(~until_itself(q, k), -math.inf)
        return scores_BHTS.softmax(-1)

    def _heads(self, x_BLD: Tensor, rotation: Rotation | None, past: KVCache | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return q_BHTd, and k and v BHSd with those of `past` in front."""
        qk_BLE, v_BLD = self.qkv(x_BLD).split((2 * x_BLD.shape[2], x_BLD.shape[2]), -1)
        if rotation is None:
            q, k = qk_BLE.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        else:
            q, k = rotate(qk_BLE, rotation, heads=self.heads).unbind()
        v = v_BLD.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        return q, k, v


def until_itself(q_BHTd: Tensor, k_BHSd: Tensor) -> Tensor:
    """Return allowed_TS: the last query sees all keys, and each query before it one less."""
    place = torch.arange(k_BHSd.shape[2], device=k_BHSd.device)
    return place <= place[-q_BHTd.shape[2] :, None]


class CrossAttention(nn.Module):
    """Attention of x_BTD to a memory. `precompute_kv` computes the memory's keys and values once for all steps of
    decoding.

    Heads have D // H features each, so that every width of at least H works.
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
        """Return the keys and values of an encoded source, BHSd each."""
        k, v = self.kv(source_BSD).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        return k, v

    def forward(self, x_BTD: Tensor, past: KVCache, mask_BS: Tensor) -> Tensor:
        y_BHTd = F.scaled_dot_product_attention(self._queries(x_BTD), *past, mask_BS[:, None, None])
        return self.out(y_BHTd.transpose(1, 2).flatten(2))

    def weights(self, x_BTD: Tensor, past: KVCache, mask_BS: Tensor) -> Tensor:
        """Return a_BHTS, the weight of each source position, which the fused kernel does not return."""
        q_BHTd = self._queries(x_BTD)
        scores_BHTS = q_BHTd @ past[0].mT / math.sqrt(q_BHTd.shape[-1])
        return scores_BHTS.masked_fill(~mask_BS[:, None, None], -math.inf).softmax(-1)

    def _queries(self, x_BTD: Tensor) -> Tensor:
        """Return q_BHTd."""
        return self.q(x_BTD).unflatten(-1, (self.heads, -1)).transpose(1, 2)
