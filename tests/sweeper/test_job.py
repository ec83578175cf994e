"""Test that a job waits at its reports, ends on request, and has time to clean up."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hydra_plugins.quartet_ray_sweeper import Trial, report, trial
from hydra_plugins.quartet_ray_sweeper._report import Job, JobOutcome, Report


def job(function: Callable[[], Any], folder: Path) -> Job:
    return Job(function, trial=Trial(number=3, folder=folder), log=folder / "trial.log")


def test_a_report_outside_a_sweep_does_nothing() -> None:
    assert report({"objective": 1.0}) is False
    assert trial() is None


def test_every_public_name_loads() -> None:
    plugin = importlib.import_module("hydra_plugins.quartet_ray_sweeper")
    assert all(getattr(plugin, name) is not None for name in plugin.__all__)
    assert set(plugin.LAZY) <= set(plugin.__all__)
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        plugin.absent  # noqa: B018


def test_a_job_reports_waits_and_returns(tmp_path: Path) -> None:
    steps = []

    def work() -> str:
        assert trial() == Trial(number=3, folder=tmp_path)
        for step in range(2):
            steps.append(step)
            assert report({"objective": step}, checkpoint=tmp_path / "last") is False
        print("said")
        return "done"

    running = job(work, tmp_path)
    assert running.next() == Report({"objective": 0.0}, tmp_path / "last")
    time.sleep(0.05)
    assert steps == [0]  # it waits for the decision
    assert running.next() == Report({"objective": 1.0}, tmp_path / "last")
    assert running.next() == JobOutcome(value="done")
    assert running.end() == JobOutcome()
    assert (tmp_path / "trial.log").read_text() == "said\n"


def test_a_job_has_time_to_end(tmp_path: Path) -> None:
    def work() -> str:
        while not report({"objective": 1.0}):
            pass
        time.sleep(0.3)
        (tmp_path / "cleaned").touch()
        return "ended early"

    running = job(work, tmp_path)
    running.next()
    assert running.end() == JobOutcome(value="ended early")
    assert (tmp_path / "cleaned").exists()


def test_a_job_that_ignores_the_decision_is_ended(tmp_path: Path) -> None:
    def work() -> None:
        try:
            while True:
                report({"objective": 1.0})
        finally:
            (tmp_path / "cleaned").touch()

    running = job(work, tmp_path)
    running.next()
    assert running.end() == JobOutcome()
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("error", [ValueError("broke"), SystemExit(3)])
def test_a_failure_has_its_traceback(tmp_path: Path, error: BaseException) -> None:
    def work() -> None:
        raise error

    ended = job(work, tmp_path).next()
    assert isinstance(ended, JobOutcome)
    assert ended.error is error
    assert "in work" in ended.trace
    assert "in work" in (tmp_path / "trial.log").read_text()


def test_a_job_that_was_never_started_ends_at_once(tmp_path: Path) -> None:
    assert job(lambda: None, tmp_path).end() == JobOutcome()
