"""A sweep read back from its journal, and not gone on with as another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hydra_plugins.quartet_ray_sweeper._journal import Journal, same, settle
from hydra_plugins.quartet_ray_sweeper._space import Refused


def test_what_happened_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(3):
        journal.start(number, values={"lr": 0.1 * number}, overrides=[f"lr={0.1 * number}"], folder=str(number))
    journal.report(0, {"objective": 2.0, "time": 1.0})
    journal.report(0, {"objective": 1.0, "time": 2.0})
    journal.end(0, "finished", result=1.0, seconds=3.0)
    journal.report(1, {"objective": 3.0, "time": 1.0})
    journal.change(1, values={"lr": 0.7}, overrides=["lr=0.7"])
    journal.end(2, "failed", result=None, error="ValueError: no")
    again = Journal(tmp_path)
    assert again.records == journal.records
    assert [record.number for record in again.unfinished] == [1]
    assert again.records[1].values == {"lr": 0.7}
    assert [row["time"] for row in again.records[0].reports] == [1.0, 2.0]


def test_half_a_line_is_no_harm(tmp_path: Path) -> None:
    Journal(tmp_path).start(0, values={}, overrides=[], folder="0")
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"event": "start", "tri')
    again = Journal(tmp_path)
    again.start(1, values={}, overrides=[], folder="1")
    assert list(Journal(tmp_path).records) == [0, 1]


def test_another_sweep_is_refused_with_the_difference(tmp_path: Path) -> None:
    asked = {"space": {"lr": "interval(0,1)"}, "base": {"seed": 0, "net": {"width": 8}}}
    settle(tmp_path, asked)
    settle(tmp_path, asked)
    assert same(tmp_path, asked)
    with pytest.raises(Refused) as refusal:
        settle(tmp_path, {"space": {"lr": "interval(0,2)"}, "base": {"seed": 0, "net": {"width": 16}}})
    for words in ("hydra.sweep.dir", "space.lr: interval(0,1) → interval(0,2)", "base.net.width: 8 → 16"):
        assert words in str(refusal.value)
    assert "seed" not in str(refusal.value)
    assert same(tmp_path, asked)
