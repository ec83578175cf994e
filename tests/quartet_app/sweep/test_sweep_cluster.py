"""Sweeps with workers on a cluster of two machines, both of them here, neither with room for two workers."""

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
def test_workers_of_two_machines_train_what_one_process_trains(here: Path, words: Any, cluster: Any) -> None:
    cluster.add_node(num_cpus=1)
    given = ["optimizer.lr=0.01,0.02", *EXACT]
    running.command("train", *words(*given, "trainer.devices=2", f"hydra.sweeper.address={cluster.address}"), cwd=here)
    folder = here / "sweep"
    assert statuses(folder)[0] == "finished"
    assert running.facts(folder / "0")["devices"] == 2
    alone = [word for word in words("optimizer.lr=0.01", *EXACT)[2:] if "hydra." not in word]
    running.command("train", *alone, cwd=here)
    for name, weights in running.weights(running.only_run(here)).items():
        np.testing.assert_allclose(weights, running.weights(folder / "0")[name], rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_workers_that_lose_their_room_are_waited_for_a_while(here: Path, words: Any, cluster: Any) -> None:
    other = cluster.add_node(num_cpus=1)
    folder = here / "sweep"
    given = words("optimizer.lr=0.01,0.02", "trainer.devices=2", f"hydra.sweeper.address={cluster.address}", steps=2000)
    process = begun(given, here)
    try:
        wait_for_reports(folder, process, at_least=1)
        cluster.remove_node(other, allow_graceful=False)
        said = until(process, "waiting")
        assert "2 workers of 1 CPUs and 0 GPUs, Ray has only 1 machine with 1 CPUs" in said
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


def until(process: subprocess.Popen[str], word: str) -> str:
    """The line of the process' output that has the word."""
    assert process.stdout is not None
    return next(line for line in process.stdout if word in line)
