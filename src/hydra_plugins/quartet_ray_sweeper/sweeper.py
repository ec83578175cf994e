"""The plugin as Hydra sees it: a name, options, and a thin shell. Hydra imports this file at the start of every
application, so that Ray is imported when a sweep runs and not before.

No `from __future__ import annotations` here: OmegaConf reads the types of these fields.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, cast  # noqa: UP035

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig

HERE = "hydra_plugins.quartet_ray_sweeper"
OURS = {"time": "${hydra.sweeper.time}", "max_time": "${hydra.sweeper.max_time}"}
SEED = "${hydra.sweeper.seed}"


@dataclass
class RaySweeperConf:
    """`hydra/sweeper=ray`.

    Attributes:
        params: the search space, `{optimizer.lr: "tag(log, interval(1e-4, 1e-1))"}`; the command line adds to it.
        when: parameters that exist only where others have a value: `{net=transformer: {net.heads: "choice(2, 4)"}}`.
        trials: how many, in all; None for each point of a grid, and 20 where the space has no end.
        metric, mode: what a trial reports (or returns) and whether to minimise it, "min" or "max". Lists of both search
            for the best trade-offs.
        time, max_time: the clock that trials report, and where it ends.
        search, scheduler: by `_target_`; groups `hydra/sweeper/search` and `hydra/sweeper/scheduler`.
        max_batch_size: how many trials at most at once; None for as many as there is room for.
        cpus, gpus: of a trial's own process; fractions share a device. None: one processor, and a GPU if there is one.
        workers, worker_cpus, worker_gpus: processes that each trial starts by itself, by Ray Train.
        address: of a running cluster, or "auto"; None starts Ray on this machine, for this sweep.
        resume: None goes on with a sweep that `hydra.sweep.dir` holds, True also with the newest beside it; False
            deletes what it holds and starts anew.
        fail_fast: end the sweep with the first trial that fails.
        retries: how often a trial goes on whose process or machine was lost.
        dashboard: Ray's web page, on 127.0.0.1.
        observer: by `_target_`: told of the sweep's begin and end, see `_study.Observer`.
        check: by `_target_`: called with each composed configuration before it may run; raises where it cannot.
    """

    _target_: str = f"{HERE}.sweeper.RaySweeper"
    _recursive_: bool = False
    defaults: List[Any] = field(default_factory=lambda: ["_self_", {"search": "auto"}, {"scheduler": "asha"}])  # noqa: UP006
    params: Dict[str, Any] = field(default_factory=dict)  # noqa: UP006
    when: Dict[str, Any] = field(default_factory=dict)  # noqa: UP006
    trials: Optional[int] = None  # noqa: UP045
    metric: Any = "objective"
    mode: Any = "min"
    time: str = "time"
    max_time: Optional[float] = None  # noqa: UP045
    search: Any = None
    scheduler: Any = None
    seed: int = 0
    max_batch_size: Optional[int] = None  # noqa: UP045
    cpus: Optional[float] = None  # noqa: UP045
    gpus: Optional[float] = None  # noqa: UP045
    workers: int = 0
    worker_cpus: float = 1
    worker_gpus: Optional[float] = None  # noqa: UP045
    address: Optional[str] = None  # noqa: UP045
    resume: Optional[bool] = None  # noqa: UP045
    fail_fast: bool = False
    retries: int = 3
    dashboard: bool = False
    observer: Any = None
    check: Any = None


SEARCHES: Dict[str, Dict[str, Any]] = {  # noqa: UP006
    "auto": {
        "_target_": None
    },  # a grid where every parameter has a list of values and no number of trials is given, else TPE
    "grid": {"_target_": f"{HERE}._search.Grid"},
    "random": {"_target_": f"{HERE}._search.Random", "seed": SEED},
    "tpe": {"_target_": "ray.tune.search.optuna.OptunaSearch", "seed": SEED},
    "bohb": {"_target_": "ray.tune.search.bohb.TuneBOHB", "seed": SEED},  # with scheduler=bohb
    "hyperopt": {"_target_": "ray.tune.search.hyperopt.HyperOptSearch", "random_state_seed": SEED},
}
# `grace`, `interval`: fractions of max_time.
SCHEDULERS: Dict[str, Dict[str, Any]] = {  # noqa: UP006
    "own": {"_target_": None},  # to be given; its options as +hydra.sweeper.scheduler.key=value
    "fifo": {"_target_": "ray.tune.schedulers.FIFOScheduler"},
    "asha": {"_target_": f"{HERE}._schedule.asha", **OURS, "grace": 0.1, "eta": 3.0},
    "hyperband": {"_target_": f"{HERE}._schedule.hyperband", **OURS, "eta": 3.0},
    "bohb": {"_target_": f"{HERE}._schedule.bohb", **OURS, "eta": 3.0},  # with search=bohb
    "median": {"_target_": f"{HERE}._schedule.median", **OURS, "grace": 0.2, "least": 3},
    "pbt": {"_target_": f"{HERE}._schedule.pbt", **OURS, "interval": 0.2, "quantile": 0.25, "resample": 0.25},
}

_STORE = ConfigStore.instance()
_STORE.store(group="hydra/sweeper", name="ray", node=RaySweeperConf, provider="quartet_ray_sweeper")
for _group, _options in (("search", SEARCHES), ("scheduler", SCHEDULERS)):
    for _name, _node in _options.items():
        _STORE.store(group=f"hydra/sweeper/{_group}", name=_name, node=_node, provider="quartet_ray_sweeper")


class RaySweeper(Sweeper):
    """Runs the jobs of a multirun as trials of Ray Tune."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: List[str]) -> Any:  # noqa: UP006
        from hydra_plugins.quartet_ray_sweeper._sweep import sweep

        return sweep(
            arguments,
            options=self.options,
            config=cast(DictConfig, self.config),
            hydra_context=self.hydra_context,
            task_function=self.task_function,
        )
