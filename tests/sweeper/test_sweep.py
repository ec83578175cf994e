"""Test sweeps of a small application with real Ray: stopped early, killed, resumed, refused."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock
from sweeper.conftest import alive, events, logged, pids, statuses

from hydra_plugins.quartet_ray_sweeper._journal import Journal

SLOW = pytest.mark.slow
LR = "lr=tag(log, interval(1e-3, 1))"


@SLOW
def test_bad_trials_are_stopped_and_have_time_to_clean_up(app: Path, sweep: Callable[..., Any]) -> None:
    code, out, err = sweep("lr=0.1,0.9,2", "net=glob(*)")
    folder = app.parent / "sweep"
    assert code == 0, err
    found = statuses(folder)
    assert found[0] == "finished"
    assert "stopped" in found.values()
    for number, status in found.items():
        assert (folder / str(number) / "cleaned").exists() == (status == "stopped")
    for number, overrides in enumerate(["lr=0.1 net=a", "lr=0.1 net=b", "lr=0.9 net=a"]):
        assert (folder / str(number) / ".hydra" / "overrides.yaml").read_text().split("- ")[1:] == [
            f"{word}\n" for word in overrides.split()
        ]
    assert "best: trial 0 · lr=0.1 net=a" in out
    assert "6/6 trials" in out
    assert len(pids(folder)) <= 2  # processes are used again
    wait_until(lambda: not any(alive(pid) for pid in pids(folder)))  # they end when they see that Ray has


@pytest.mark.parametrize(("by", "to"), [(signal.SIGINT, "one"), (signal.SIGTERM, "one"), (signal.SIGTERM, "all")])
@SLOW
def test_an_interrupted_sweep_ends_in_order_and_goes_on(
    app: Path, start: Callable[..., Any], sweep: Callable[..., Any], by: signal.Signals, to: str
) -> None:
    """Schedulers of clusters signal all processes, Ray's too, which must not end before the sweep."""
    folder, given = app.parent / "sweep", ["lr=0.1,0.2", "slow=0.3", "hydra/sweeper/scheduler=fifo"]
    process = start(*given)
    wait_until(
        lambda: (folder / "trials.jsonl").exists() and any(event["event"] == "report" for event in events(folder))
    )
    assert listening(process.pid) == {"127.0.0.1"}
    for child in psutil.Process(process.pid).children(recursive=True) if to == "all" else ():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.send_signal(by)
    process.send_signal(by)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, err  # Python's exit code after KeyboardInterrupt
    assert f"interrupted; the same command with hydra.sweep.dir={folder} goes on" in out
    assert "SIGTERM" not in err
    wait_until(lambda: not any(alive(pid) for pid in pids(folder)))
    before = events(folder)
    code, out, err = sweep(*given)
    assert (code, "2/2 trials · 2 finished" in out) == (0, True), err
    assert events(folder)[: len(before)] == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            [
                "lr=1,2",
                "hydra/sweeper/scheduler=own",
                "hydra.sweeper.scheduler._target_=ray.tune.schedulers.PopulationBasedTraining",
                "+hydra.sweeper.scheduler._convert_=all",
                "+hydra.sweeper.scheduler.hyperparam_mutations={lr: [1, 2]}",
            ],
            ("PopulationBasedTraining", "scheduler=pbt"),
        ),
        (["lr=1,2", "hydra.sweeper.address=127.0.0.1:1"], ("hydra.sweeper.address", "no Ray cluster answers")),
        (["lr=tag(lin, interval(0, 1))", "hydra.sweeper.trials=3"], ("lr=tag(lin, interval(0, 1))", "'lin'")),
        (["lr=interval(0, 1)", "hydra/sweeper/search=grid"], ("lr=interval(0, 1)", "grid")),
        (["lr=interval(0, 1)", "hydra/sweeper/scheduler=bohb"], ("search=bohb", "go together")),
        (["net=a,c"], ("net/c",)),
        (["lr=1,2", "hydra.sweeper.trials=0"], ("hydra.sweeper.trials: given 0, needs at least 1",)),
        (["lr=1,2", "hydra.sweeper.max_batch_size=-1"], ("hydra.sweeper.max_batch_size: given -1",)),
        (["lrr=1,2"], ("lrr",)),
        (["lr=1,2", "hydra.sweeper.mode=up"], ("hydra.sweeper.mode", "'up'", "min or max")),
        (["lr=1,2", "hydra.sweeper.metric=[objective,cost]"], ("hydra.sweeper.metric", "fifo")),
        (["lr=1,2", "hydra.sweeper.max_time=null", "hydra/sweeper/scheduler=median"], ("hydra.sweeper.max_time",)),
        (
            ["lr=1,2", "hydra.sweeper.search._target_=ray.tune.search.ax.AxSearch", "hydra.sweeper.trials=2"],
            ("AxSearch", "cannot be made"),
        ),
    ],
)
def test_impossible_sweeps_are_refused_before_ray_starts(
    app: Path, sweep: Callable[..., Any], arguments: list[str], expected: tuple[str, ...]
) -> None:
    code, _, err = sweep(*arguments)
    assert code == 1
    for words in expected:
        assert words in err
    assert "Traceback" not in err
    assert {path.name for path in (app.parent / "sweep").glob("*")} <= {"lock"}  # nothing for resume=true to find


def test_a_refused_command_deletes_no_sweep(app: Path, sweep: Callable[..., Any]) -> None:
    folder = app.parent / "sweep"
    (folder / "0").mkdir(parents=True)
    Journal(folder).start(0, values={"lr": 0.1}, overrides=["lr=0.1"], folder=str(folder / "0"))
    code, _, err = sweep("lr=interval(0, 1)", "hydra/sweeper/search=grid", "hydra.sweeper.resume=false")
    assert (code, "a grid has no end" in err) == (1, True)
    with FileLock(folder / "lock"):
        code, _, err = sweep("lr=0.1,0.2", "hydra.sweeper.resume=false")
    assert (code, "under way already" in err) == (1, True)
    assert (folder / "0").exists()
    assert len(events(folder)) == 1


@SLOW
def test_a_metric_that_nobody_reports_ends_the_sweep(app: Path, sweep: Callable[..., Any]) -> None:
    code, _, err = sweep("lr=0.1,0.2,0.3,0.4", "hydra.sweeper.metric=objectve")
    assert code == 1
    assert "hydra.sweeper.metric: objectve: trial" in err
    assert "it reports objective, time, cost" in err
    assert len(statuses(app.parent / "sweep")) < 4


@SLOW
def test_another_option_of_a_swept_group_is_another_sweep(app: Path, sweep: Callable[..., Any]) -> None:
    given = ["net=a,b", "steps=2"]
    assert sweep(*given)[0] == 0
    (app.parent / "conf" / "net" / "b.yaml").write_text("kind: a\n")
    code, _, err = sweep(*given)
    assert (code, "options.net=b.net.kind: b → a" in err) == (1, True)
    code, out, err = sweep(*given, "hydra.sweeper.resume=false")
    assert (code, "2/2 trials" in out) == (0, True), err
    assert len(started_in(events(app.parent / "sweep"))) == 2


@pytest.mark.slow
def test_a_killed_sweep_goes_on(app: Path, start: Callable[..., Any], sweep: Callable[..., Any]) -> None:
    arguments = [LR, "net=a,b", "slow=0.4", "hydra/sweeper/search=tpe"]
    folder = app.parent / "sweep"
    process = start(*arguments, "hydra.sweeper.trials=6")
    wait_until(lambda: (folder / "trials.jsonl").exists() and len(statuses(folder)) >= 2)
    process.kill()
    process.communicate()
    before = events(folder)
    running = {event["trial"] for event in before} - set(statuses(folder))
    assert running
    wait_until(lambda: not any(alive(pid) for pid in pids(folder)))  # Ray ends with its driver
    reports = [(event["trial"], event["metrics"]["time"]) for event in before if event["event"] == "report"]
    steps = {number: max([0, *(step for trial, step in reports if trial == number)]) for number in running}

    code, _, err = sweep("lr=0.1,0.2", "net=a,b")
    assert code == 1
    for words in ("holds another sweep", "space.lr", "hydra.sweep.dir"):
        assert words in err

    code, out, err = sweep(*arguments, "hydra.sweeper.trials=8")
    assert code == 0, err
    assert "8/8 trials" in out
    after = events(folder)
    assert after[: len(before)] == before
    started = [event["trial"] for event in after if event["event"] == "start"]
    assert started == list(range(8))  # a total, and the numbers go on
    assert {event["trial"] for event in after[len(before) :]} == running | set(range(max(started_in(before)) + 1, 8))
    for number in running:
        assert int(logged(folder, number).splitlines()[-1].split()[2]) >= steps[number]

    code, out, err = sweep(*arguments, "hydra.sweeper.trials=8")  # all is done: nothing runs
    assert (code, events(folder)) == (0, after)


@pytest.mark.slow
def test_hyperband_pauses_and_halves(app: Path, sweep: Callable[..., Any]) -> None:
    given = ["hydra/sweeper/scheduler=hyperband", "hydra.sweeper.max_time=81", "steps=81", "slow=0"]
    code, _, err = sweep("lr=range(0, 24)", *given)
    assert code == 0, err
    found = list(statuses(app.parent / "sweep").values())
    assert len(found) == 24
    assert found.count("stopped") > 5


@pytest.mark.slow
def test_a_sweep_runs_once_at_a_time(app: Path, start: Callable[..., Any], sweep: Callable[..., Any]) -> None:
    process = start("lr=0.1,0.2", "slow=0.5")
    wait_until(lambda: (app.parent / "sweep" / "trials.jsonl").exists())
    code, _, err = sweep("lr=0.1,0.2", "slow=0.5")
    assert (code, "under way already" in err) == (1, True)
    process.communicate(timeout=120)
    assert process.returncode == 0


def started_in(of: list[dict[str, Any]]) -> list[int]:
    return [event["trial"] for event in of if event["event"] == "start"]


@pytest.mark.slow
def test_resume_finds_the_newest_sweep_of_its_kind(app: Path, sweep: Callable[..., Any]) -> None:
    assert sweep("lr=0.1,0.2")[0] == 0
    code, out, err = sweep("lr=0.1,0.2", "hydra.sweep.dir=other", "hydra.sweeper.resume=true")
    assert (code, "2/2 trials" in out) == (0, True), err
    assert not (app.parent / "other").exists()
    code, _, err = sweep("lr=0.1,0.3", "hydra.sweep.dir=other", "hydra.sweeper.resume=true")
    assert (code, "space.lr: 0.1,0.2 → 0.1,0.3" in err) == (1, True)


@pytest.mark.slow
def test_a_lost_process_restarts_from_its_checkpoint(app: Path, start: Callable[..., Any]) -> None:
    process = start("lr=0.1,0.2", "slow=0.5", "hydra/sweeper/scheduler=fifo")
    folder = app.parent / "sweep"
    wait_until(
        lambda: (folder / "0" / "state.json").exists() and '"step": 3' in (folder / "0" / "state.json").read_text()
    )
    os.kill(next(iter(pids_of(folder, 0))), signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert statuses(folder) == {0: "finished", 1: "finished"}
    starts = [line for line in logged(folder, 0).splitlines() if line.startswith("started")]
    assert len(starts) == 2
    assert int(starts[1].split()[2]) >= 3


@pytest.mark.slow
def test_a_sweep_goes_on_when_ray_itself_was_killed(
    app: Path, start: Callable[..., Any], sweep: Callable[..., Any]
) -> None:
    given = ["lr=0.1,0.2,0.3,0.4", "slow=0.6", "hydra/sweeper/scheduler=fifo"]
    folder = app.parent / "sweep"
    process = start(*given)
    wait_until(
        lambda: (
            (folder / "trials.jsonl").exists()
            and any(
                event["event"] == "report" and event["trial"] == 2 and event["metrics"]["time"] >= 2
                for event in events(folder)
            )
        ),
        seconds=120,
    )
    for name in ("gcs_server", "raylet"):
        found = subprocess.run(["pgrep", "-P", str(process.pid), "-f", f"/{name} "], capture_output=True, check=True)
        os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Ray was lost" in err
    assert f"hydra.sweep.dir={folder} goes on" in err
    assert "Traceback" not in err
    before, ended = events(folder), statuses(folder)
    assert ended.get(0) == "finished"
    wait_until(lambda: not any(alive(pid) for pid in pids(folder)))
    code, out, err = sweep(*given, "hydra.sweeper.resume=true")
    assert (code, "4/4 trials" in out) == (0, True), err
    after = events(folder)
    assert after[: len(before)] == before
    assert not {event["trial"] for event in after[len(before) :]} & set(ended)
    assert [event["trial"] for event in after if event["event"] == "start"] == list(range(4))
    assert int(logged(folder, 2).splitlines()[-1].split()[2]) >= 2


def pids_of(folder: Path, trial: int) -> set[int]:
    return {int(line.split()[-1]) for line in logged(folder, trial).splitlines() if line.startswith("started")}


@pytest.mark.slow
def test_a_failing_trial_ends_itself_alone(app: Path, sweep: Callable[..., Any]) -> None:
    code, out, err = sweep("fail=true,false", "lr=0.1,0.2", "hydra/sweeper/scheduler=fifo")
    folder = app.parent / "sweep"
    assert code == 0, err
    assert sorted(statuses(folder).values()) == ["failed", "failed", "finished", "finished"]
    assert "trial 0 failed: ValueError: broke" in out
    assert "in main" in logged(folder, 0)
    code, _, err = sweep("fail=true", "lr=0.1,0.2", "hydra.sweep.dir=all", "hydra/sweeper/scheduler=fifo")
    assert (code, "all 2 trials failed" in err) == (1, True)
    assert "hydra.sweeper.resume=false tries them again" in err
    code, _, err = sweep("fail=true,false", "lr=0.1,0.2", "hydra.sweep.dir=fast", "hydra.sweeper.fail_fast=true")
    assert (code, "ValueError: broke" in err) == (1, True)
    assert len(statuses(app.parent / "fast")) < 4


@pytest.mark.slow
def test_an_impossible_combination_is_a_failed_trial(app: Path, sweep: Callable[..., Any]) -> None:
    # Each value is possible with the others' first values; one pair of values is not.
    (app.parent / "rules.py").write_text(
        "def check(config):\n"
        "    if (config.lr, config.heads) == (0.2, 3):\n"
        "        raise ValueError('lr=0.2 does not go\\nwith heads=3')\n"
    )
    given = ["heads=2,3,4", "lr=0.1,0.2,0.3", "hydra/sweeper/scheduler=fifo", "hydra.sweeper.check=rules.check"]
    code, out, err = sweep(*given)
    assert code == 0, err
    found = statuses(app.parent / "sweep")
    assert [number for number, status in found.items() if status == "failed"] == [4]
    assert len(found) == 9
    positions = [i for i, line in enumerate(out.splitlines()) if "lr=0.2 does not go with heads=3" in line]
    assert len(positions) == 2  # when it happens, and in the summary
    assert positions[0] < out.splitlines().index(next(line for line in out.splitlines() if line.startswith("trial 8 ")))
    code, out, err = sweep(*given, "hydra.sweep.dir=fast", "hydra.sweeper.fail_fast=true")
    assert (code, "trial 4 failed: ValueError: lr=0.2 does not go" in err) == (1, True)
    assert len(statuses(app.parent / "fast")) < 9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("search", "scheduler"),
    [
        ("tpe", "asha"),
        ("random", "hyperband"),
        ("hyperopt", "median"),
        ("random", "fifo"),
        ("grid", "asha"),
        ("bohb", "bohb"),
    ],
)
def test_searches_and_schedulers(app: Path, sweep: Callable[..., Any], search: str, scheduler: str) -> None:
    lr = "lr=0.01,0.1,0.5,0.9" if search == "grid" else LR
    if search in ("hyperopt", "bohb"):
        pytest.importorskip({"bohb": "hpbandster"}.get(search, search))
    (app.parent / "conf" / "when.yaml").write_text(
        "# @package _global_\ndefaults: [config, override hydra/sweeper: ray]\n"
        'hydra: {sweeper: {when: {net=b: {heads: "choice(2, 4)"}}}}\n'
    )
    code, _, err = sweep(
        lr, "net=a,b", "hydra.sweeper.trials=8", f"hydra/sweeper/search={search}",
        f"hydra/sweeper/scheduler={scheduler}", "--config-name=when",
    )  # fmt: skip
    assert code == 0, err
    folder = app.parent / "sweep"
    trials = [event for event in events(folder) if event["event"] == "start"]
    assert len(trials) == 8
    assert {event["values"]["net"] for event in trials} == {"a", "b"}
    assert all(("heads" in event["values"]) == (event["values"]["net"] == "b") for event in trials)
    few = scheduler in ("fifo", "hyperband")  # eight do not fill a bracket
    assert set(statuses(folder).values()) == ({"finished"} if few else {"finished", "stopped"})
    assert len(statuses(folder)) == 8


@pytest.mark.slow
def test_pbt_hands_weights_and_changed_values_on(app: Path, sweep: Callable[..., Any]) -> None:
    code, _, err = sweep(
        "lr=interval(0, 1)", "slow=0.2", "hydra.sweeper.trials=4", "hydra/sweeper/search=random",
        "hydra/sweeper/scheduler=pbt",
    )  # fmt: skip
    assert code == 0, err
    folder = app.parent / "sweep"
    changes = [event for event in events(folder) if event["event"] == "change"]
    assert changes
    assert set(statuses(folder).values()) == {"finished"}
    for change in changes:
        assert 0 <= change["values"]["lr"] <= 1
        assert (folder / str(change["trial"]) / "checkpoint").exists()
        assert logged(folder, change["trial"]).count("started at") >= 2


@pytest.mark.slow
def test_two_objectives_give_a_front(app: Path, sweep: Callable[..., Any]) -> None:
    code, out, err = sweep(
        "lr=0.1,0.05,0.2", "hydra.sweeper.metric=[objective,cost]", "hydra.sweeper.mode=[min,min]",
        "hydra/sweeper/scheduler=fifo",
    )  # fmt: skip
    assert code == 0, err
    assert "best: trial 0, 1 ·" in out  # 0.2 is worse in both


@pytest.mark.slow
def test_a_trial_that_fits_nowhere_is_refused(app: Path, sweep: Callable[..., Any]) -> None:
    code, _, err = sweep("lr=0.1,0.2", "hydra.sweeper.workers=400")
    assert code == 1
    for words in ("400 workers", "hydra.sweeper.address", "none would ever start"):
        assert words in err


def listening(pid: int) -> set[str]:
    """Return the addresses on which a process and its children listen."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    found = set()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {
                c.laddr.ip.removeprefix("::ffff:")
                for c in process.net_connections("inet")
                if c.status == psutil.CONN_LISTEN
            }
    return found


def wait_until(holds: Callable[[], bool], *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
