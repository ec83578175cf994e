"""Positions of features: none, sinusoids, a learned table, or rotations of queries and keys.

Shapes: B batch, L length, D width, A axes (1 in a sequence, 2 in an image), H heads, d = D / H.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from quartet.types import QuartetError

Kind = Literal["none", "sinusoidal", "learned", "rotary"]
KINDS: tuple[str, ...] = get_args(Kind)

# Cosines_LD and sines_LD that rotate the feature pairs of all queries and keys.
Rotation = tuple[Tensor, Tensor]


def angles(place_LA: Tensor, features: int) -> Tensor:
    """Return angles_LF of each place, with wavelengths from 2π to 2π·10000; the axes share the features equally.

    Any leading axes of the places stay.
    """
    each = features // place_LA.shape[-1]
    frequency = 10000.0 ** (-torch.arange(each, device=place_LA.device, dtype=place_LA.dtype) / each)
    return (place_LA[..., None] * frequency).flatten(-2)


def rotate(qk_BLE: Tensor, rotation: Rotation, *, heads: int) -> Tensor:
    """Return queries and keys (2, B, H, L, d), each feature pair rotated by its place's angle (Su et al. 2021).

    In E = 2 D, all first halves of pairs come before all second halves: long rows make the arithmetic fast.
    """
    cos_LD, sin_LD = (part.to(qk_BLE.dtype) for part in rotation)
    a_BLD, b_BLD = qk_BLE.chunk(2, -1)
    turned = torch.addcmul(a_BLD * cos_LD, b_BLD, sin_LD, value=-1), torch.addcmul(a_BLD * sin_LD, b_BLD, cos_LD)
    halves = [half_BLD.unflatten(-1, (2, heads, -1)) for half_BLD in turned]
    return torch.stack(halves, -2).flatten(-2).permute(2, 0, 3, 1, 4)


class Position(nn.Module):
    """Add positions to x_BLD, or return the rotation for attention; positions begin at `offset`, one for all or a B.

    `grid` is the size of an image in patches; None means a sequence. Learned positions limit a sequence to `context`.
    """

    place_LA: Tensor | None

    def __init__(self, *, kind: Kind, width: int, heads: int, grid: tuple[int, ...] | None, context: int) -> None:
        super().__init__()
        self.kind = kind
        self.rotated = width // heads // 2
        place = None if grid is None else torch.cartesian_prod(*(torch.arange(n) for n in grid)).reshape(-1, len(grid))
        self.register_buffer("place_LA", place, persistent=False)
        axes = 1 if grid is None else len(grid)
        unit = {"rotary": 2 * axes * heads, "sinusoidal": 2 * axes}.get(kind, 1)
        if width % unit:
            raise QuartetError(
                f"net.width={width} with net.heads={heads}: {kind} positions share the width "
                f"out among {axes} axes; make it a multiple of {unit}"
            )
        rows = context if place is None else len(place)
        self.table_LD = nn.Parameter(torch.randn(rows, width) * 0.02) if kind == "learned" else None

    def forward(self, x_BLD: Tensor, offset: int | Tensor) -> tuple[Tensor, Rotation | None]:
        if self.kind == "none":
            return x_BLD, None
        if self.table_LD is not None:
            if isinstance(offset, Tensor):
                return x_BLD + self.table_LD[self._places(x_BLD, offset)[..., 0].long()], None
            end = offset + x_BLD.shape[1]
            if end > len(self.table_LD):
                raise QuartetError(
                    f"net.position=learned knows {len(self.table_LD)} positions and was given {end}: "
                    "shorten the input, or take rotary or sinusoidal"
                )
            return x_BLD + self.table_LD[offset:end], None
        place_LA = self._places(x_BLD, offset)
        if self.kind == "rotary":
            turn_LD = torch.cat([angles(place_LA, self.rotated)] * (x_BLD.shape[2] // self.rotated), -1)
            return x_BLD, (turn_LD.cos(), turn_LD.sin())
        wave_LF = angles(place_LA, x_BLD.shape[2] // 2)
        return x_BLD + torch.cat((wave_LF.sin(), wave_LF.cos()), -1).to(x_BLD.dtype), None

    def _places(self, x_BLD: Tensor, offset: int | Tensor) -> Tensor:
        """Return each position's coordinates place_LA, or place_BLA where each row has its own offset."""
        exact = torch.float64 if x_BLD.dtype == torch.float64 else torch.float32
        if self.place_LA is not None:
            return self.place_LA.to(exact)
        if isinstance(offset, Tensor):
            return offset[:, None, None] + torch.arange(x_BLD.shape[1], device=x_BLD.device, dtype=exact)[:, None]
        return torch.arange(offset, offset + x_BLD.shape[1], device=x_BLD.device, dtype=exact)[:, None]
