"""Test that a sweep is restored from its journal, and that a different sweep never continues it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hydra_plugins.quartet_ray_sweeper._journal import (
    FAILED,
    FINISHED,
    MAX_DIFFERENCES,
    RUNNING,
    STOPPED,
    Journal,
    Record,
    delete_sweep,
    holds_same_sweep,
    refuse_other_sweep,
    write_sweep_file,
)
from hydra_plugins.quartet_ray_sweeper._space import SweeperError


def test_the_journal_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(3):
        journal.start(number, values={"lr": number / 10}, overrides=[f"lr={number / 10}"], folder=str(number))
    journal.report(0, {"objective": 2.0, "time": 1.0})
    journal.report(0, {"objective": 1.0, "time": 2.0})
    journal.end(0, "finished", result=1.0, seconds=3.0)
    journal.report(1, {"objective": 3.0, "time": 1.0})
    journal.change(1, values={"lr": 0.7}, overrides=["lr=0.7"])
    journal.end(2, "failed", result=None, error="ValueError: no")
    again = Journal(tmp_path)
    assert again.records == journal.records
    assert [record.number for record in again.unfinished] == [1]
    reports = [{"objective": 2.0, "time": 1.0}, {"objective": 1.0, "time": 2.0}]
    assert again.records[0] == Record(0, {"lr": 0.0}, ["lr=0.0"], "0", "finished", reports, 1.0, "", 3.0)
    assert again.records[1] == Record(1, {"lr": 0.7}, ["lr=0.7"], "1", "running", [{"objective": 3.0, "time": 1.0}])
    assert again.records[1].seconds == 0.0
    assert again.records[2] == Record(2, {"lr": 0.2}, ["lr=0.2"], "2", "failed", [], None, "ValueError: no")


def test_the_words_of_a_status_are_those_of_journals_that_are_there() -> None:
    assert (RUNNING, FINISHED, STOPPED, FAILED) == ("running", "finished", "stopped", "failed")


def test_a_truncated_line_is_dropped(tmp_path: Path) -> None:
    Journal(tmp_path).start(0, values={}, overrides=[], folder="0")
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"event": "start", "tri')
    again = Journal(tmp_path)
    again.start(1, values={}, overrides=[], folder="1")
    assert list(Journal(tmp_path).records) == [0, 1]


def test_another_sweep_is_refused_with_the_difference(tmp_path: Path) -> None:
    asked = {"space": {"lr": "interval(0,1)"}, "base": {"seed": 0, "net": {"width": 8}, "place": Path("here")}}
    refuse_other_sweep(tmp_path, asked)
    write_sweep_file(tmp_path, asked)
    refuse_other_sweep(tmp_path, asked)
    assert holds_same_sweep(tmp_path, asked)
    with pytest.raises(SweeperError) as refusal:
        refuse_other_sweep(tmp_path, {"space": {"lr": "interval(0,2)"}, "base": {"seed": 0, "net": {"width": 16}}})
    for words in ("hydra.sweep.dir", "space.lr: interval(0,1) → interval(0,2)", "base.net.width: 8 → 16"):
        assert words in str(refusal.value)
    assert "seed" not in str(refusal.value)
    assert "more" not in str(refusal.value)
    assert holds_same_sweep(tmp_path, asked)


def test_a_key_that_one_sweep_lacks_is_absent(tmp_path: Path) -> None:
    write_sweep_file(tmp_path, {"base": {"old": 1}})
    with pytest.raises(SweeperError) as refusal:
        refuse_other_sweep(tmp_path, {"base": {"new": 2}})
    assert str(refusal.value).splitlines()[1:] == ["  base.old: 1 → absent", "  base.new: absent → 2"]


def test_a_refusal_names_few_differences_and_counts_the_others(tmp_path: Path) -> None:
    keys = [f"key{number}" for number in range(MAX_DIFFERENCES + 2)]
    write_sweep_file(tmp_path, {"base": dict.fromkeys(keys, 0)})
    with pytest.raises(SweeperError) as refusal:
        refuse_other_sweep(tmp_path, {"base": dict.fromkeys(keys, 1)})
    *named, last = str(refusal.value).splitlines()[1:]
    assert named == [f"  base.{key}: 0 → 1" for key in keys[:MAX_DIFFERENCES]]
    assert last == "  and 2 more"


def test_deleting_a_sweep_deletes_its_trials_and_nothing_else(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "sweep")
    for number, folder in enumerate(("sweep/0", "sweep/net/1", "elsewhere/2")):
        (tmp_path / folder).mkdir(parents=True)
        journal.start(number, values={}, overrides=[], folder=str(tmp_path / folder))
    (tmp_path / "sweep" / "notes.txt").touch()
    assert Journal(tmp_path / "sweep", fresh=True).records == {}
    delete_sweep(tmp_path / "sweep")
    assert {path.name for path in (tmp_path / "sweep").rglob("*")} == {"net", "notes.txt"}
    assert (tmp_path / "elsewhere" / "2").exists()
