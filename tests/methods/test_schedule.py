from __future__ import annotations

import pytest

from quartet.methods import schedule


def test_warmup_is_linear_and_ends_at_one() -> None:
    values = [schedule.cosine(fraction, warmup=0.1, min_lr_ratio=0.0) for fraction in (0.0, 0.05, 0.1)]
    assert values == pytest.approx([0.0, 0.5, 1.0])


def test_cosine_ends_at_its_floor() -> None:
    assert schedule.cosine(1.0, warmup=0.0, min_lr_ratio=0.1) == pytest.approx(0.1)
    assert schedule.cosine(0.5, warmup=0.0, min_lr_ratio=0.0) == pytest.approx(0.5)


def test_linear_is_half_way_at_half_time() -> None:
    assert schedule.linear(0.5, warmup=0.0, min_lr_ratio=0.2) == pytest.approx(0.6)


def test_trapezoid_holds_then_cools() -> None:
    values = [schedule.trapezoid(f, warmup=0.1, cooldown=0.2, min_lr_ratio=0.0) for f in (0.05, 0.5, 0.9, 1.0)]
    assert values == pytest.approx([0.5, 1.0, 0.5, 0.0])


def test_constant_stays() -> None:
    assert [schedule.constant(f, warmup=0.0) for f in (0.0, 0.7, 1.0)] == [1.0, 1.0, 1.0]
