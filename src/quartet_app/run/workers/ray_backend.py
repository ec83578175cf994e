"""Let Ray Train's workers meet. On one machine they open no port to others.

Ray's own backend starts torch's TCPStore, which listens on all interfaces, and its clients unpickle what they read
from it. Workers of one machine meet through a file instead, and talk over the loopback interface.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import ray
from ray.train.torch import TorchConfig
from ray.train.torch.config import _set_torch_distributed_env_vars, _TorchBackend

from quartet_app.run.workers.local_workers import loopback_variables


@dataclass
class WorkersConfig(TorchConfig):
    """Configure how workers meet. `folder`: where their file lies if they are on one machine."""

    folder: str = ""

    @property
    def backend_cls(self) -> type[WorkersBackend]:
        """Return the class that Ray Train makes."""
        return WorkersBackend


class WorkersBackend(_TorchBackend):  # type: ignore[misc]
    """Join the workers in torch's process group: by a file on one machine, by Ray's way on several."""

    def on_start(self, worker_group: Any, backend_config: WorkersConfig) -> None:  # type: ignore[override]
        """Join the workers; Ray Train calls this in the driver, before they train."""
        if len(set(worker_group.execute(ray.util.get_node_ip_address))) > 1:
            super().on_start(worker_group, backend_config)
            return
        gpu = worker_group.get_resources_per_worker().get("GPU", 0) > 0
        store = str(Path(backend_config.folder) / f"store-{uuid.uuid4().hex}")
        worker_group.execute(_set_torch_distributed_env_vars)
        world, seconds = len(worker_group), backend_config.timeout_s
        joining = [
            worker_group.execute_single_async(rank, join, store, rank, world, gpu=gpu, seconds=seconds)
            for rank in range(world)
        ]
        ray.get(joining)


def join(store: str, rank: int, world: int, *, gpu: bool, seconds: int) -> None:
    """Join a worker in the process group through the file `store`; operations may take `seconds`."""
    import torch.distributed as dist

    for name, value in loopback_variables().items():
        os.environ.setdefault(name, value)
    Path(store).parent.mkdir(parents=True, exist_ok=True)
    dist.init_process_group(
        "nccl" if gpu else "gloo",
        store=dist.FileStore(store, world),
        rank=rank,
        world_size=world,
        timeout=timedelta(seconds=seconds),
    )
