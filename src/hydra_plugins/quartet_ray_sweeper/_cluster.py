"""Start or join Ray for a sweep, and count how many trials fit on its machines."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from tempfile import TemporaryDirectory
from typing import Any

from hydra_plugins.quartet_ray_sweeper._space import SweeperError

# Defaults; a variable that is set already wins.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the journal records the same
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a task may report nothing
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # the journal records the same
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1e9",  # `SweepCallback` warns sooner
}
CONNECT_SECONDS = 5.0
SECONDS_BETWEEN_COUNTS = 5.0  # of the machines
LOCALHOST = "127.0.0.1"
# A Ray of this machine alone listens on the loopback address alone, on every system.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def set_ray_environment(*, address: str | None) -> None:
    """Set the environment variables that Ray reads at its import; leave those that are set already."""
    for key, value in {**ENVIRONMENT, **(LOOPBACK if address is None else {})}.items():
        os.environ.setdefault(key, value)


@contextmanager
def ray_running(*, address: str | None, dashboard: bool, key: str = "hydra.sweeper.address") -> Iterator[Any]:
    """Run the block with Ray: the process's own, a running cluster at `address`, or a new one on this machine.

    Inside the block SIGTERM, which cluster schedulers send, acts as Ctrl-C. Raises `SweeperError`, naming the option
    `key`, where no cluster answers at `address`.
    """
    set_ray_environment(address=address)
    import ray

    if ray.is_initialized():
        yield ray
        return
    previous_handler = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        try:
            with signals_kept_from_children():
                _init_ray(ray, address, stack, include_dashboard=dashboard)
        except (OSError, RuntimeError, ValueError) as error:
            raise SweeperError(f"{key}: {address}: {str(error).strip().splitlines()[0]}") from error
        in_main_thread = threading.current_thread() is threading.main_thread()  # only it may set handlers
        if in_main_thread:  # after ray.init, whose own handler ends the process at once
            signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            yield ray
        finally:
            ray.shutdown()
            if in_main_thread:
                signal.signal(signal.SIGTERM, previous_handler)


@contextmanager
def signals_kept_from_children() -> Iterator[None]:
    """Start Ray in the block: neither SIGHUP, of a closed terminal, nor SIGTERM then ends it before this process has
    ended the run, where they are sent to all processes. SIGTERM is blocked, since Ray would handle it otherwise."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGHUP, before)


def _init_ray(ray: Any, address: str | None, stack: ExitStack, *, include_dashboard: bool) -> None:
    """Start Ray on this machine, in a folder that `stack` deletes, or join the cluster at `address`."""
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(dict.fromkeys([part for part in sys.path if part] + [before or ""]))
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            os.environ["PYTHONPATH"] = path  # Ray's processes inherit it, which is quicker than a runtime environment
            folder = stack.enter_context(TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            addresses = {"_node_ip_address": LOCALHOST, "dashboard_host": LOCALHOST}
            ray.init("local", _temp_dir=folder, include_dashboard=include_dashboard, **addresses, **common)
        else:
            check_reachable(address)
            variables = {"PYTHONPATH": path, **{name: os.environ[name] for name in ENVIRONMENT}}
            ray.init(address, runtime_env={"env_vars": variables}, **common)
            remove_orphans(ray)
    finally:
        os.environ.pop("PYTHONPATH", None)
        if before is not None:
            os.environ["PYTHONPATH"] = before


def check_reachable(address: str) -> None:
    """Raise OSError where nothing listens at host:port, since Ray tries for minutes. Leave other forms of address to
    Ray."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in address and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"no Ray cluster answers there ({error})") from error


@dataclass(frozen=True)
class ResourceRequest:
    """CPUs and GPUs of a trial: of its own process, and of the workers that it starts by Ray Train."""

    cpus: float
    gpus: float
    workers: int
    worker_cpus: float
    worker_gpus: float

    @classmethod
    def from_options(cls, options: dict[str, Any], nodes: list[dict[str, Any]]) -> ResourceRequest:
        """Return the request of `hydra.sweeper`'s options. A process that trains gets a GPU by default, where there are
        GPUs."""
        gpu = 1.0 if any(node["Resources"].get("GPU") for node in nodes) else 0.0
        workers = options["workers"]
        cpus, gpus, worker_gpus = options["cpus"], options["gpus"], options["worker_gpus"]
        return cls(
            # A trial with workers needs no CPU of its own: it waits while they train.
            cpus=cpus if cpus is not None else 0.0 if workers else 1.0,
            gpus=gpus if gpus is not None else 0.0 if workers else gpu,
            workers=workers,
            worker_cpus=options["worker_cpus"],
            worker_gpus=worker_gpus if worker_gpus is not None else gpu,
        )

    @property
    def per_trial(self) -> dict[str, float]:
        """The resources of the trial's own process, as Tune takes them."""
        memory = {} if self.cpus or self.gpus else {"memory": 1e6}  # Tune starts no trial without any resource
        return {"cpu": self.cpus, "gpu": self.gpus, **memory}

    @property
    def per_worker(self) -> dict[str, float]:
        """The resources of each worker, as Ray takes them."""
        return {"CPU": self.worker_cpus, "GPU": self.worker_gpus}

    @property
    def bundles(self) -> list[dict[str, float]]:
        """The resources of the trial's process, then of each worker."""
        return [{"CPU": self.cpus, "GPU": self.gpus}] + [self.per_worker] * self.workers

    def max_concurrent(self, nodes: list[dict[str, Any]]) -> int:
        """Return how many trials the machines can hold together."""
        free = [{kind: node["Resources"].get(kind, 0.0) for kind in ("CPU", "GPU")} for node in nodes]
        count = 0
        while count < 10_000 and all(_take(bundle, free) for bundle in self.bundles):
            count += 1
        return count

    def describe(self) -> str:
        """Return the request in words."""
        single = f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"
        if not self.workers:
            return single
        each = f"{self.worker_cpus:g} CPUs and {self.worker_gpus:g} GPUs"
        return f"{self.workers} workers of {each}" + (f" beside {single}" if self.cpus or self.gpus else "")


class ConcurrencyLimit:
    """Number of trials that may exist and not have ended: those that fit on the machines, and one more.

    The extra trial is composed while the others run, so that no machine waits. It is left out where trials have
    workers, since Tune does not count their resources and would start it at once.
    """

    def __init__(self, ray: Any, resources: ResourceRequest, *, limit: int | None) -> None:
        self.ray, self.resources, self.limit = ray, resources, limit
        self.last_count, self.capacity = -inf, 1

    def __call__(self) -> int:
        if time.monotonic() - self.last_count > SECONDS_BETWEEN_COUNTS:  # a cluster may grow
            self.last_count = time.monotonic()
            self.capacity = max(1, self.resources.max_concurrent(live_nodes(self.ray)))
        waiting = 0 if self.resources.workers else 1
        return min(self.capacity + waiting, self.limit or self.capacity + waiting)


def _take(bundle: dict[str, float], free: list[dict[str, float]]) -> bool:
    """Subtract a bundle's resources from the first machine that has them; return whether one has."""
    for node in free:
        if all(node[kind] + 1e-9 >= amount for kind, amount in bundle.items()):
            for kind, amount in bundle.items():
                node[kind] -= amount
            return True
    return False


def dead_process(ray: Any) -> str:
    """Return which process of this machine's own Ray has ended, "" for none. A joined cluster is managed by others."""
    node = ray._private.worker._global_node
    dead = [kind for kind, _ in node.dead_processes()] if node is not None else []
    return next((kind for kind in ("gcs_server", "raylet") if kind in dead), "")


def live_nodes(ray: Any) -> list[dict[str, Any]]:
    """Return Ray's description of each machine that is alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def describe_nodes(nodes: list[dict[str, Any]]) -> str:
    """Return the machines' CPUs and GPUs in words."""
    each = [f"{node['Resources'].get('CPU', 0):g} CPUs and {node['Resources'].get('GPU', 0):g} GPUs" for node in nodes]
    return f"{len(nodes)} machine{'s' * (len(nodes) != 1)} with {', '.join(each) or 'nothing'}"


def remove_orphans(ray: Any) -> None:
    """Remove the placement groups that ended programs had reserved.

    Ray does so by the same rule, but overlooks a group that was asked for while its job ended, and keeps it for ever.
    """
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData as Group  # type: ignore[attr-defined]
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    if ray.util.client.ray.is_connected():  # by ray://, which cannot ask for other programs' groups
        return
    state, own = ray._private.state.state, ray.get_runtime_context().get_job_id()
    groups = map(Group.FromString, state._connect_and_get_accessor().get_placement_group_table())
    left = [one for one in groups if one.state != Group.REMOVED and one.creator_job_id.hex() != own]
    ended = {job["JobID"] for job in state.job_table() if job["IsDead"]} if left else set()
    for one in (one for one in left if one.creator_job_id.hex() in ended and not one.is_detached):
        if state.actor_table(one.creator_actor_id.hex()).get("State", "DEAD") == "DEAD":
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(one.placement_group_id)))
