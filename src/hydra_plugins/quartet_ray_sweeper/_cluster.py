"""Ray for the length of a sweep, and whether its trials have room there."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from hydra_plugins.quartet_ray_sweeper._space import Refused

# What a person has set wins.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the journal keeps what they would
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a task may report nothing
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # the journal, again
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1e9",  # said by `Room`, sooner
}
REACH_SECONDS = 5.0
LOCALHOST = "127.0.0.1"
LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"
}  # whatever the system: a Ray of this machine alone listens to it alone


def settle_environment(*, address: str | None) -> None:
    """What Ray reads while it is imported."""
    for key, value in {**ENVIRONMENT, **(LOOPBACK if address is None else {})}.items():
        os.environ.setdefault(key, value)


@contextmanager
def ray_running(*, address: str | None, dashboard: bool, key: str = "hydra.sweeper.address") -> Iterator[Any]:
    """Ray on this machine until the end of the block, or a running cluster's, or what the process has already.
    SIGTERM, which a scheduler sends, is Ctrl-C in it.

    Raises `Refused`, naming the option `key`, where no cluster answers at `address`.
    """
    settle_environment(address=address)
    path = os.pathsep.join(dict.fromkeys([part for part in sys.path if part] + [os.environ.get("PYTHONPATH", "")]))
    import ray

    if ray.is_initialized():
        yield ray
        return
    terminated = signal.getsignal(signal.SIGTERM)
    common: dict[str, Any] = {"include_dashboard": dashboard, "log_to_driver": False, "logging_level": logging.ERROR}
    variables = {"PYTHONPATH": path, **{key: os.environ[key] for key in ENVIRONMENT}}
    before, stack = os.environ.get("PYTHONPATH"), ExitStack()
    try:
        if address is None:
            os.environ["PYTHONPATH"] = path  # what Ray starts inherits it: quicker than an environment of its own
            folder = stack.enter_context(TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            ray.init("local", _node_ip_address=LOCALHOST, dashboard_host=LOCALHOST, _temp_dir=folder, **common)
        else:
            common.pop("include_dashboard")
            reach(address)
            ray.init(address, runtime_env={"env_vars": variables}, **common)
    except (OSError, RuntimeError, ValueError) as error:
        raise Refused(f"{key}: {address}: {str(error).strip().splitlines()[0]}") from error
    finally:
        os.environ.pop("PYTHONPATH", None)
        if before is not None:
            os.environ["PYTHONPATH"] = before
    with stack:
        mine = threading.current_thread() is threading.main_thread()  # only it may ask for signals
        if mine:  # after Ray, whose own way ends the process in the middle of things
            signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            yield ray
        finally:
            ray.shutdown()
            if mine:
                signal.signal(signal.SIGTERM, terminated)


def reach(address: str) -> None:
    """Raise OSError where nothing listens at host:port; Ray itself tries for minutes. Other forms are Ray's matter."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in address and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"no Ray cluster answers there ({error})") from error


@dataclass(frozen=True)
class ResourceRequest:
    """What a trial takes: its own process, and those that it starts by itself through Ray Train."""

    cpus: float
    gpus: float
    workers: int
    worker_cpus: float
    worker_gpus: float

    @classmethod
    def of(cls, options: dict[str, Any], nodes: list[dict[str, Any]]) -> ResourceRequest:
        """With what was not said filled in: a GPU for each process that trains, where there are GPUs."""
        gpu = 1.0 if any(node["Resources"].get("GPU") for node in nodes) else 0.0
        workers = options["workers"]
        cpus, gpus, worker_gpus = options["cpus"], options["gpus"], options["worker_gpus"]
        return cls(
            # The trial's own process waits while its workers train.
            cpus=cpus if cpus is not None else 0.0 if workers else 1.0,
            gpus=gpus if gpus is not None else 0.0 if workers else gpu,
            workers=workers,
            worker_cpus=options["worker_cpus"],
            worker_gpus=worker_gpus if worker_gpus is not None else gpu,
        )

    @property
    def own(self) -> dict[str, float]:
        something = {} if self.cpus or self.gpus else {"memory": 1e6}  # Tune places nothing that takes nothing
        return {"cpu": self.cpus, "gpu": self.gpus, **something}

    @property
    def worker(self) -> dict[str, float]:
        return {"CPU": self.worker_cpus, "GPU": self.worker_gpus}

    @property
    def bundles(self) -> list[dict[str, float]]:
        return [{"CPU": self.cpus, "GPU": self.gpus}] + [self.worker] * self.workers

    def at_once(self, nodes: list[dict[str, Any]]) -> int:
        """How many trials the machines can hold together."""
        free = [{kind: node["Resources"].get(kind, 0.0) for kind in ("CPU", "GPU")} for node in nodes]
        count = 0
        while count < 10_000 and all(_put(bundle, free) for bundle in self.bundles):
            count += 1
        return count

    def described(self) -> str:
        own = f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"
        if not self.workers:
            return own
        each = f"{self.worker_cpus:g} CPUs and {self.worker_gpus:g} GPUs"
        return f"{self.workers} workers of {each}" + (f" beside {own}" if self.cpus or self.gpus else "")


def _put(bundle: dict[str, float], free: list[dict[str, float]]) -> bool:
    """Take a bundle's resources from the first machine that has them."""
    for node in free:
        if all(node[kind] + 1e-9 >= amount for kind, amount in bundle.items()):
            for kind, amount in bundle.items():
                node[kind] -= amount
            return True
    return False


def ended(ray: Any) -> str:
    """Which of the processes that make up the Ray of this machine has ended, "" for none; those of a cluster that was
    named are others' to start and end."""
    node = ray._private.worker._global_node
    dead = [kind for kind, _ in node.dead_processes()] if node is not None else []
    return next((kind for kind in ("gcs_server", "raylet") if kind in dead), "")


def alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def offered(nodes: list[dict[str, Any]]) -> str:
    """The machines in words."""
    each = [f"{node['Resources'].get('CPU', 0):g} CPUs and {node['Resources'].get('GPU', 0):g} GPUs" for node in nodes]
    return f"{len(nodes)} machine{'s' * (len(nodes) != 1)} with {', '.join(each) or 'nothing'}"
