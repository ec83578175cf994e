"""Test sweeps on a cluster of two simulated machines, one of which is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace as Namespace
from typing import Any

import pytest
from omegaconf import OmegaConf
from sweeper.conftest import events, logged, statuses
from sweeper.test_sweep import wait_until

from hydra_plugins.quartet_ray_sweeper._cluster import ResourceRequest, set_ray_environment
from hydra_plugins.quartet_ray_sweeper._journal import Journal
from hydra_plugins.quartet_ray_sweeper._space import Space
from hydra_plugins.quartet_ray_sweeper._state import Sweep
from hydra_plugins.quartet_ray_sweeper._watch import SweepCallback


def test_resources_are_counted_machine_by_machine() -> None:
    def nodes(*cpus: float) -> list[dict[str, Any]]:
        return [{"Resources": {"CPU": count}} for count in cpus]

    def room(**asked: Any) -> ResourceRequest:
        options = {"cpus": None, "gpus": None, "workers": 0, "worker_cpus": 1, "worker_gpus": None}
        return ResourceRequest.from_options({**options, **asked}, nodes(2, 2))

    assert room().max_concurrent(nodes(2, 2)) == 4
    assert room(cpus=1.5).max_concurrent(nodes(2, 2)) == 2  # a trial cannot span two machines
    assert room(cpus=0.5).max_concurrent(nodes(1)) == 2
    assert room(workers=3).max_concurrent(nodes(2, 2)) == 1  # workers may lie on different machines
    assert room(workers=2, worker_cpus=2).max_concurrent(nodes(2, 1)) == 0


def test_a_trial_takes_a_gpu_where_there_are_any() -> None:
    nodes = [{"Resources": {"CPU": 16, "GPU": 8}}]
    options = {"cpus": None, "gpus": None, "workers": 0, "worker_cpus": 1, "worker_gpus": None}
    assert ResourceRequest.from_options(options, nodes).max_concurrent(nodes) == 8
    assert ResourceRequest.from_options({**options, "gpus": 0.5}, nodes).max_concurrent(nodes) == 16
    assert ResourceRequest.from_options({**options, "workers": 4}, nodes).max_concurrent(nodes) == 2


def test_a_sweep_without_resources_warns_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    printed: list[str] = []
    display = Namespace(tick=lambda: None, print_line=printed.append)
    monkeypatch.setattr("hydra_plugins.quartet_ray_sweeper._watch.MAX_WAIT_SECONDS", 0.05)
    sweep = Sweep(
        folder=tmp_path, config=OmegaConf.create(), space=Space(()), journal=Journal(tmp_path), metrics=("objective",),
        modes=("min",), clock="time", max_time=None, options={"fail_fast": False},
    )  # fmt: skip
    watch = SweepCallback(sweep, display, shortage=str, dead_process=str, workers=False)
    running, waiting = Namespace(status="RUNNING"), Namespace(status="PENDING")
    for trials in ([running, waiting], [waiting], [running, waiting], [waiting]):
        watch.on_step_end(0, trials)
        time.sleep(0.1)
    assert printed == []  # while one runs, the next waits for it
    for _ in range(3):
        watch.on_step_end(0, [waiting])
    assert printed == ["no trial could start for 0.05 s: the machines are taken; waiting"]


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Any]:
    set_ray_environment(address="two machines")
    from ray.cluster_utils import Cluster

    head = getattr(request, "param", {"num_cpus": 1})
    made = Cluster(initialize_head=True, head_node_args={**head, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.mark.slow
def test_a_lost_machine_costs_no_trial(app: Path, start: Callable[..., Any], cluster: Any) -> None:
    other = cluster.add_node(num_cpus=1)
    folder = app.parent / "sweep"
    process = start(
        "lr=0.1,0.11,0.12,0.13", "slow=0.4", "hydra/sweeper/scheduler=fifo", f"hydra.sweeper.address={cluster.address}",
        **{key: value for key, value in os.environ.items() if key.startswith("RAY_AUTH")},
    )  # fmt: skip
    reported = lambda: {event["trial"] for event in events(folder) if event["event"] == "report"}  # noqa: E731
    wait_until(lambda: process.poll() is not None or ((folder / "trials.jsonl").exists() and {0, 1} <= reported()))
    cluster.remove_node(other, allow_graceful=False)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert set(statuses(folder).values()) == {"finished"}, out
    assert len(statuses(folder)) == 4
    starts = [
        [int(line.split()[2]) for line in logged(folder, i).splitlines() if line.startswith("started")] for i in (0, 1)
    ]
    (again,) = [steps for steps in starts if len(steps) > 1]  # one of the two was on the machine that was lost
    assert again[1] > 0


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [{"num_cpus": 4, "num_gpus": 1}], indirect=True)  # Ray believes in this GPU
def test_two_trials_share_a_gpu_and_never_three(app: Path, sweep: Callable[..., Any], cluster: Any) -> None:
    code, out, err = sweep(
        "lr=0.1,0.2,0.3,0.4,0.5,0.6", "slow=0.3", "hydra/sweeper/scheduler=fifo", "hydra.sweeper.gpus=0.5",
        f"hydra.sweeper.address={cluster.address}",
    )  # fmt: skip
    assert code == 0, err
    assert "6/6 trials" in out
    spans = [json.loads(path.read_text()) for path in (app.parent / "sweep").glob("*/span.json")]
    together = [sum(begin <= moment < end for begin, end in spans) for moment, _ in spans]
    assert (len(spans), max(together)) == (6, 2)
