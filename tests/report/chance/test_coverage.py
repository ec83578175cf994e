"""Intervals cover the truth as often as they say, for seeds and test examples together: the table of docs/ and parts of
it, simulated."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from quartet.report.comparing.statistics import LEVEL, differences

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "benchmarks"))  # its files import each other as a script's do

import chance_table  # noqa: E402

LOWEST, HIGHEST = 0.93, 0.97  # of an interval of 95 %


def error(rate: float, count: int) -> float:
    """Return three standard errors of a simulated rate."""
    return 3 * math.sqrt(rate * (1 - rate) / count)


def check(cell: chance_table.Cell) -> None:
    assert cell.false_alarms <= 1 - LEVEL + error(1 - LEVEL, cell.repetitions), cell
    for covered in (cell.difference, cell.mean):
        assert LOWEST - error(LOWEST, cell.repetitions) <= covered <= HIGHEST + error(HIGHEST, cell.repetitions), cell


@pytest.mark.parametrize(
    ("size", "ratio", "repetitions"),
    [(100, 0.0, 400), (100, 1.0, 400), (1000, 0.1, 300), (1000, math.inf, 300), (10_000, 0.3, 100)],
)
def test_intervals_cover_and_false_alarms_are_few(size: int, ratio: float, repetitions: int) -> None:
    check(chance_table.simulate(size, ratio, repetitions=repetitions))


@pytest.mark.slow
@pytest.mark.parametrize("size", chance_table.SIZES)
def test_the_table_of_the_documentation_holds(size: int) -> None:
    for cell in chance_table.cells((size,), repetitions=1500):
        check(cell)
        if cell.ratio == 0:  # what intervals of seeds alone were worth
            assert cell.seeds_alone < 0.6


def test_the_documentation_has_the_table() -> None:
    rows = [line for line in (ROOT / "docs" / "fair-comparison.md").read_text(encoding="utf-8").splitlines()
            if line.startswith("| 1") and line.count("%") == 4]  # fmt: skip
    assert len(rows) == len(chance_table.SIZES) * len(chance_table.RATIOS)
    for row in rows:
        alarms, difference, mean, _ = (float(part.split()[0]) / 100 for part in row.split("|")[3:7])
        assert alarms <= 1 - LEVEL + error(1 - LEVEL, 4000)
        for covered in (difference, mean):
            assert LOWEST <= covered <= HIGHEST + error(HIGHEST, 4000)


@pytest.mark.parametrize("count", [250, pytest.param(3000, marks=pytest.mark.slow)])
def test_three_equal_nets_are_seldom_told_apart(count: int) -> None:
    """The whole rule, with Holm's correction: any false alarm among three pairs."""
    draw, alarms, covered = np.random.default_rng(5), 0, 0
    for _ in range(count):
        difficulty, scores = draw.standard_normal(300), {}
        for net in "abc":
            taste = 0.5 * draw.standard_normal(300)
            luck = 0.05 * draw.standard_normal((3, 1))
            right = difficulty + taste + luck + 0.4 * draw.standard_normal((3, 300)) < 1.2
            scores[net] = dict(enumerate(right.astype(float)))
        values = {net: {seed: float(x.mean()) for seed, x in found.items()} for net, found in scores.items()}
        found = differences(values, scores=scores)
        covered += sum(d.covers == "seeds and test examples" for d in found)
        alarms += any(d.shown for d in found)
    assert covered >= 0.95 * 3 * count  # in the rest the seeds agree to the digit
    assert alarms / count <= 1 - LEVEL + error(1 - LEVEL, count)
