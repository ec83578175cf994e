"""Sweeps on a simulated cluster of two machines, neither with resources for two workers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import running
from sweeping import begun, statuses, wait_for_reports

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


def wait_for_line(process: subprocess.Popen[str], word: str) -> str:
    """Wait for a line with `word` in the output of the process, and return it."""
    assert process.stdout is not None
    return next(line for line in process.stdout if word in line)
