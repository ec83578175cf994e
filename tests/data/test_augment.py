"""Augmentation: pure functions of images and numbers."""

from __future__ import annotations

import pytest
import torch

from quartet.data.loading.augment import Augment, erase, flip, shift
from quartet.types import QuartetError


def pictures(*shape: int) -> torch.Tensor:
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
def test_shift_moves_and_fills_with_zero(channels: int) -> None:
    x = pictures(25, 6, 5, channels)
    by = torch.cartesian_prod(torch.arange(-2, 3), torch.arange(-2, 3))
    moved = shift(x, by, most=2)
    for image, result, (down, right) in zip(x, moved, by.tolist(), strict=True):
        expected = torch.zeros_like(image)
        for row in range(6):
            for column in range(5):
                if 0 <= row - down < 6 and 0 <= column - right < 5:
                    expected[row, column] = image[row - down, column - right]
        assert torch.equal(result, expected)


def test_flip_mirrors_the_chosen() -> None:
    x = pictures(3, 4, 5, 3)
    result = flip(x, torch.tensor([True, False, True]))
    assert torch.equal(result, torch.stack([x[0].flip(1), x[1], x[2].flip(1)]))


def test_erase_blanks_a_square() -> None:
    x = pictures(2, 6, 6, 1)
    result = erase(x, torch.tensor([[2, 3], [0, 5]]), side=3)
    blank = (result == 0)[..., 0]
    assert blank[0].nonzero().tolist() == [[row, column] for row in (1, 2, 3) for column in (2, 3, 4)]
    assert blank[1].nonzero().tolist() == [[row, column] for row in (0, 1) for column in (4, 5)]
    assert torch.equal(result[result != 0], x[result != 0])


def test_what_is_erased_lies_where_the_last_two_draws_say() -> None:
    x = pictures(2, 6, 8, 1)
    draws = torch.tensor([[0.9, 0.9, 0.9, 0.4, 0.4], [0.9, 0.9, 0.9, 0.0, 0.99]])
    expected = erase(x, torch.tensor([[2, 3], [0, 7]]), side=3)
    assert torch.equal(Augment(shift=0, flip=False, erase=3)(x, draws), expected)
    assert not torch.equal(expected, x)


def test_every_choice_is_as_likely_as_its_draw() -> None:
    x = pictures(1, 5, 5, 1).expand(4000, -1, -1, -1)
    draws = torch.rand(4000, 5, generator=torch.Generator().manual_seed(0))
    results, counts = Augment(shift=1, flip=True, erase=0)(x, draws).unique(dim=0, return_counts=True)
    assert len(results) == 18  # nine shifts, mirrored or not
    assert counts.min() > 150
    assert counts.max() < 300


def test_nothing_chosen_changes_nothing() -> None:
    x = pictures(3, 4, 4, 1)
    assert torch.equal(Augment(shift=0, flip=False, erase=0)(x, torch.rand(3, 5)), x)
    with pytest.raises(QuartetError, match=r"augment\.shift: -1 pixels"):
        Augment(shift=-1, flip=False, erase=0)
