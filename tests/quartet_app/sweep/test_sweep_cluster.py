"""Sweeps on a simulated cluster of two machines, neither with resources for two workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import running
from sweeping import begun, journal, statuses, wait_for_reports

from hydra_plugins.quartet_ray_sweeper import set_ray_environment

EXACT = ["trainer.precision=64-true", "trainer.sync_batch_norm=true", "net.dropout=0.0"]


@pytest.fixture
def cluster() -> Iterator[Any]:
    set_ray_environment(address="two machines")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.mark.slow
def test_workers_on_two_machines_give_the_weights_of_one_process(
    here: Path, sweep_overrides: Any, cluster: Any
) -> None:
    cluster.add_node(num_cpus=1)
    arguments = ["optimizer.lr=0.01,0.02", *EXACT]
    running.command(
        "train", *sweep_overrides(*arguments, "trainer.devices=2", f"hydra.sweeper.address={cluster.address}"), cwd=here
    )
    folder = here / "sweep"
    assert statuses(folder)[0] == "finished"
    assert running.facts(folder / "0")["devices"] == 2
    alone = [word for word in sweep_overrides("optimizer.lr=0.01", *EXACT)[2:] if "hydra." not in word]
    running.command("train", *alone, cwd=here)
    for name, weights in running.weights(running.only_run(here)).items():
        np.testing.assert_allclose(weights, running.weights(folder / "0")[name], rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_sweep_waits_a_while_for_resources_that_were_lost(here: Path, sweep_overrides: Any, cluster: Any) -> None:
    other = cluster.add_node(num_cpus=1)
    folder = here / "sweep"
    arguments = sweep_overrides(
        "optimizer.lr=0.01,0.02", "trainer.devices=2", f"hydra.sweeper.address={cluster.address}", steps=2000
    )
    process = begun(arguments, here)
    try:
        wait_for_reports(folder, process, at_least=1)
        cluster.remove_node(other, allow_graceful=False)
        line = wait_for_line(process, "waiting")
        assert "2 workers of 1 CPUs and 0 GPUs, Ray has only 1 machine with 1 CPUs" in line
        other = cluster.add_node(num_cpus=1)
        wait_for_reports(folder, process, at_least=2)
        assert not statuses(folder)
        cluster.remove_node(other, allow_graceful=False)
        _, err = process.communicate(timeout=200)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 2
    assert "Ray has only 1 machine with 1 CPUs and 0 GPUs left" in err
    assert f"hydra.sweep.dir={folder} goes on" in err
    assert len(err.strip().splitlines()) < 10, err


OTHERS = """
import sys, time, ray
from ray.util.placement_group import placement_group
ray.init(sys.argv[1], log_to_driver=False)
ray.get(placement_group([{"memory": 1000}], name=sys.argv[2], lifetime=sys.argv[3] or None).ready())
print("reserved", flush=True)
time.sleep(float(sys.argv[4]))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_a_lost_sweep_had_reserved_does_not_hold_up_the_next(
    here: Path, sweep_overrides: Any, cluster: Any
) -> None:
    """A machine goes, the sweep gives up, the machine comes back: Ray then gives it to workers of the ended sweep.

    What others have reserved stays theirs: of a program that runs, and of one that meant it to stay.
    """
    others = [reserved(cluster, "running", "", 600), reserved(cluster, "kept", "detached", 0)]
    others[1].communicate(timeout=60)
    other = cluster.add_node(num_cpus=1)
    folder = here / "sweep"
    words = sweep_overrides(
        "optimizer.lr=0.01,0.02", "trainer.devices=2", f"hydra.sweeper.address={cluster.address}", steps=2000
    )
    process = begun(words, here)
    wait_for_reports(folder, process, at_least=1)
    cluster.remove_node(other, allow_graceful=False)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2, err
    before = sum(one["event"] == "report" for one in journal(folder))
    cluster.add_node(num_cpus=1)
    again = begun(words, here)
    try:
        wait_for_reports(folder, again, at_least=before + 1)
        assert {name for name, state in groups(cluster) if state != "REMOVED"} >= {"running", "kept"}
    finally:
        for each in (again, others[0]):
            each.kill()
            each.communicate()


def reserved(cluster: Any, name: str, lifetime: str, seconds: float) -> subprocess.Popen[str]:
    """Another program of the cluster, which has reserved memory by a placement group of this name."""
    words = [sys.executable, "-c", OTHERS, cluster.address, name, lifetime, str(seconds)]
    process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert "reserved\n" in iter(process.stdout.readline, "")
    return process


def groups(cluster: Any) -> list[tuple[str, str]]:
    """Name and state of each placement group."""
    code = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False)\n"
    code += "for one in ray.util.placement_group_table().values(): print('group', one['name'], one['state'])"
    said = subprocess.run([sys.executable, "-c", code, cluster.address], capture_output=True, text=True, check=True)
    return [(line.split(" ")[1], line.split(" ")[2]) for line in said.stdout.splitlines() if line.startswith("group ")]


def wait_for_line(process: subprocess.Popen[str], word: str) -> str:
    """Wait for a line with `word` in the output of the process, and return it."""
    assert process.stdout is not None
    return next(line for line in process.stdout if word in line)
