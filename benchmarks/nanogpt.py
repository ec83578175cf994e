"""nanoGPT's published recipe for a CPU, as a plain loop (Karpathy: its README and config/train_shakespeare_char.py).

    train.py config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 --block_size=64
        --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0

Shapes: B batch, L context, D width, V vocabulary, H heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Recipe:
    layers: int = 4
    heads: int = 4
    width: int = 128
    context: int = 64
    batch: int = 12
    steps: int = 2000
    warmup: int = 100
    rate: float = 1e-3
    least_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    clip: float = 1.0

    def rate_at(self, step: int) -> float:
        """A linear warm-up, then half a cosine."""
        if step < self.warmup:
            return self.rate * (step + 1) / (self.warmup + 1)
        part = (step - self.warmup) / (self.steps - self.warmup)
        return self.least_rate + 0.5 * (1 + math.cos(math.pi * part)) * (self.rate - self.least_rate)


class Block(nn.Module):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        width = recipe.width
        self.heads = recipe.heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv, self.attended = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.expand, self.contract = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x_BLD: Tensor) -> Tensor:
        qkv = self.qkv(self.norm_1(x_BLD)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind()
        y_BHLd = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x_BLD = x_BLD + self.attended(y_BHLd.transpose(1, 2).flatten(2))
        return x_BLD + self.contract(F.gelu(self.expand(self.norm_2(x_BLD))))


class GPT(nn.Module):
    """Tokens_BL to logits_BLV; returns no state, so that the task can measure it like a model of ours."""

    def __init__(self, recipe: Recipe, *, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, recipe.width)
        self.places = nn.Embedding(recipe.context, recipe.width)
        self.blocks = nn.ModuleList(Block(recipe) for _ in range(recipe.layers))
        self.norm = nn.LayerNorm(recipe.width, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("attended.weight", "contract.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * recipe.layers) if last else 0.02)

    def forward(self, tokens_BL: Tensor) -> tuple[Tensor, None]:
        x_BLD = self.tokens(tokens_BL) + self.places.weight[: tokens_BL.shape[1]]
        for block in self.blocks:
            x_BLD = block(x_BLD)
        return F.linear(self.norm(x_BLD), self.tokens.weight), None


class Training:
    """The recipe under way: `step()` takes one optimizer step."""

    def __init__(self, recipe: Recipe, *, tokens: np.ndarray, vocabulary: int, seed: int) -> None:
        torch.manual_seed(1337 + seed)
        self.recipe, self.taken = recipe, 0
        self.tokens = torch.from_numpy(tokens.astype(np.int64))
        self.model = GPT(recipe, vocabulary=vocabulary)
        matrices = [weight for weight in self.model.parameters() if weight.dim() >= 2]
        others = [weight for weight in self.model.parameters() if weight.dim() < 2]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=recipe.betas)

    def step(self) -> None:
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(self.taken)
        starts = torch.randint(len(self.tokens) - recipe.context, (recipe.batch,))
        windows = self.tokens[starts[:, None] + torch.arange(recipe.context + 1)]
        logits_BLV, _ = self.model(windows[:, :-1])
        loss = F.cross_entropy(logits_BLV.flatten(0, 1), windows[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.taken += 1
