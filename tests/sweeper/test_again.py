"""Test trials that run again, the defaults as trial 0, and the time given to a sweep."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from sweeper.conftest import alive, events, pids, statuses
from sweeper.test_sweep import LR, wait_until

from hydra_plugins.quartet_ray_sweeper._journal import FINAL, REPEAT, Again, Journal
from hydra_plugins.quartet_ray_sweeper._space import Space
from hydra_plugins.quartet_ray_sweeper._state import Sweep

SEEDED = [
    "hydra.sweeper.defaults_first=true",
    "hydra.sweeper.repeats=2",
    "hydra.sweeper.repeated=2",
    "hydra.sweeper.finals=[['seed=101'],['seed=102','steps=3']]",
]


def starts(folder: Path) -> list[dict[str, Any]]:
    return [event for event in events(folder) if event["event"] == "start"]


@pytest.mark.slow
def test_the_best_run_with_other_seeds_and_the_winner_on_other_terms(app: Path, sweep: Callable[..., Any]) -> None:
    folder = app.parent / "sweep"
    code, out, err = sweep("lr=interval(0.5, 1)", "hydra.sweeper.trials=5", "hydra/sweeper/scheduler=fifo", *SEEDED)
    assert code == 0, err
    begun = starts(folder)
    search, again = begun[:5], begun[5:]
    assert (search[0]["values"], search[0]["overrides"]) == ({}, [])
    assert all(0.5 <= start["values"]["lr"] <= 1 for start in search[1:])
    repeats = [start for start in again if start["stage"] == "repeat"]
    assert 0 in {start["of"] for start in repeats}  # 0.1, the default, is the best
    assert len(repeats) == 2
    assert all(start["more"] == ["seed=1"] and start["overrides"][-1] == "seed=1" for start in repeats)
    finals = [(start["of"], start["overrides"]) for start in again if start["stage"] == "final"]
    assert finals == [(0, ["seed=101"]), (0, ["seed=102", "steps=3"])]
    ended = statuses(folder)
    assert {ended[start["trial"]] for start in (search[0], *again)} == {"finished"}
    assert "best: trial 0" in out
    assert f"{len(begun)}/9 trials" in out
    wait_until(lambda: not any(alive(pid) for pid in pids(folder)))
    assert sweep("lr=interval(0.5, 1)", "hydra.sweeper.trials=5", "hydra/sweeper/scheduler=fifo", *SEEDED)[0] == 0
    assert starts(folder) == begun  # nothing is left to do


@pytest.mark.slow
def test_the_time_given_is_kept_over_two_attempts(app: Path, sweep: Callable[..., Any]) -> None:
    given = [LR, "slow=0.2", "hydra.sweeper.trials=99", "hydra/sweeper/scheduler=fifo"]
    code, out, err = sweep(*given, f"hydra.sweeper.hours={15 / 3600}")
    folder = app.parent / "sweep"
    assert code == 0, err
    assert "minutes given to the sweep are over" in out
    before = len(starts(folder))
    assert 0 < before < 99
    assert {"finished", "stopped"} >= set(statuses(folder).values())
    assert len(statuses(folder)) == before  # each has ended in order
    assert events(folder)[-1]["elapsed"] < 15 * 1.05 + 2
    assert sweep(*given, f"hydra.sweeper.hours={15 / 3600}")[0] == 0
    assert len(starts(folder)) == before  # none of the time was left
    assert sweep(*given, f"hydra.sweeper.hours={30 / 3600}")[0] == 0
    assert len(starts(folder)) > before


@pytest.mark.slow
def test_a_trial_that_does_not_report_is_ended(app: Path, sweep: Callable[..., Any]) -> None:
    began = time.monotonic()
    code, out, err = sweep("lr=0.1,0.2,0.3", "slow=300", f"hydra.sweeper.hours={12 / 3600}")
    assert time.monotonic() - began < 120
    assert code == 0, err
    assert "ended before a report: trial 0" in out
    assert set(statuses(app.parent / "sweep").values()) == {"stopped"}


@pytest.mark.slow
def test_a_driver_killed_among_repeats_runs_none_twice(
    app: Path, start: Callable[..., Any], sweep: Callable[..., Any]
) -> None:
    folder, given = app.parent / "sweep", [LR, "slow=0.1", "hydra.sweeper.trials=4", *SEEDED]
    for stage in ("repeat", "final"):
        process = start(*given)
        wait_until(lambda: (folder / "trials.jsonl").exists() and any(e.get("stage") == stage for e in starts(folder)))  # noqa: B023
        process.kill()
        process.communicate()  # closes its pipes, of which Python would warn
        wait_until(lambda: not any(alive(pid) for pid in pids(folder)))
    assert sweep(*given)[0] == 0
    again = [(one["stage"], one["of"], tuple(one["more"])) for one in starts(folder) if "stage" in one]
    assert len(again) == len(set(again))
    assert len([one for one in again if one[0] == "final"]) == 2
    assert set(statuses(folder)) == {one["trial"] for one in starts(folder)}


def test_what_cannot_run_again_is_refused(app: Path, sweep: Callable[..., Any]) -> None:
    code, _, err = sweep("lr=0.1,0.2", "hydra/sweeper/scheduler=hyperband", "hydra.sweeper.repeats=2")
    assert (code, "hydra.sweeper.repeats: needs a scheduler that decides on each trial" in err) == (1, True)
    code, _, err = sweep("lr=0.1,0.2", "hydra.sweeper.metric=[objective,cost]", "hydra.sweeper.finals=[['seed=1']]")
    assert (code, "hydra.sweeper.finals: needs one metric" in err) == (1, True)
    code, _, err = sweep("lr=0.1,0.2", "hydra.sweeper.finals=[seed]")
    assert (code, "needs lists of overrides" in err) == (1, True)


def test_the_winner_is_the_best_over_its_seeds(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    sweep = Sweep(
        folder=tmp_path, config=OmegaConf.create({"seed": 0}), space=Space(()), journal=journal,
        metrics=("objective",), modes=("max",), clock="time", max_time=1.0, options={"repeats": 2},
    )  # fmt: skip

    def run(number: int, score: float, again: Again | None = None) -> None:
        journal.start(number, values={}, overrides=[], folder="", again=again)
        journal.report(number, {"objective": score})
        journal.end(number, "finished", result=score)

    run(0, 0.9)
    run(1, 0.8)
    run(2, 0.7)
    assert [trial.number for trial in sweep.best] == [0]
    run(3, 0.5, Again(REPEAT, 0, ["seed=1"]))
    assert [trial.number for trial in sweep.best] == [0]  # the one that has all its seeds
    run(4, 0.8, Again(REPEAT, 1, ["seed=1"]))
    assert [trial.number for trial in sweep.best] == [1]
    run(5, 1.0, Again(FINAL, 1, ["seed=101"]))
    assert [trial.number for trial in sweep.best] == [1]
    assert [trial.number for trial in sweep.searched] == [0, 1, 2]
    assert Journal(tmp_path).records == journal.records
