"""Intervals and tests: against scipy's own, in the cases where little can be said, and on simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from quartet.report.statistics import welch


def test_welch_is_that_of_scipy() -> None:
    a, b = [0.91, 0.93, 0.92, 0.95], [0.90, 0.80, 0.85]
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.9)
    assert welch(a, b, level=0.9) == pytest.approx((np.mean(a) - np.mean(b), expected.low, expected.high))


def test_welch_where_little_can_be_said() -> None:
    assert welch([0.5], [0.25, 0.5]) == (0.125, -math.inf, math.inf)
    assert welch([1.0, 1.0], [0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert welch([1.0, math.nan], [0.5]) == (0.5, -math.inf, math.inf)
    difference, low, high = welch([], [1.0, 2.0])
    assert math.isnan(difference)
    assert (low, high) == (-math.inf, math.inf)
    assert welch([1.0, 2.0], [1.0, 1.0])[1] > -math.inf
