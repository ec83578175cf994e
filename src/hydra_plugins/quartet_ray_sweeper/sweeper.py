"""Register the sweeper with Hydra: its name, its options, and a class that calls `_sweep`.

Hydra imports this file at the start of every application; Ray is imported only when a sweep runs. No `from __future__
import annotations` here: OmegaConf reads the types of these fields.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, cast  # noqa: UP035

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig

PACKAGE = "hydra_plugins.quartet_ray_sweeper"
CLOCK = {"time": "${hydra.sweeper.time}", "max_time": "${hydra.sweeper.max_time}"}
SEED = "${hydra.sweeper.seed}"


@dataclass
class RaySweeperConf:
    """Options of `hydra/sweeper=ray`.

    Attributes:
        params: the search space, `{optimizer.lr: "tag(log, interval(1e-4, 1e-1))"}`; the command line adds to it.
        when: conditional parameters, `{net=transformer: {net.heads: "choice(2, 4)"}}`.
        trials: total number; None for each point of a grid, and for 20 trials of an infinite space.
        hours: wall-clock time of the sweep, over all attempts. Then no trial starts, those under way end at their next
            report, and what is left 3 % later is ended at once.
        defaults_first: trial 0 has no swept value: the settings as they are, which no scheduler stops.
        repeats: with how many seeds the best trials run before one is chosen; repeat_key: the seed's key.
        repeated: how many trials are repeated: the best, and trial 0 where it has the defaults.
        finals: lists of overrides, `[['seed=101'], ['seed=101', 'budget=3 epochs']]`: with each, the winner runs
            once more.
        final_share: the share of `hours` that is kept for these.
        metric, mode: the reported (or returned) metric and its direction, "min" or "max". Lists of both search for the
            Pareto front.
        time, max_time: the metric that serves as the trials' clock, and its value at the end.
        search, scheduler: by `_target_`; groups `hydra/sweeper/search` and `hydra/sweeper/scheduler`.
        max_batch_size: most concurrent trials; None for as many as the resources allow.
        cpus, gpus: of a trial's own process; fractions share a device. None: one CPU, and a GPU if there is one.
        workers, worker_cpus, worker_gpus: processes that each trial starts itself, by Ray Train.
        address: of a running cluster, or "auto"; None starts Ray on this machine, for this sweep.
        resume: None resumes a sweep in `hydra.sweep.dir`; True also the newest in the same parent folder; False deletes
            the sweep in `hydra.sweep.dir` and starts anew.
        fail_fast: end the sweep with the first trial that fails.
        retries: how often a trial restarts after its process or machine was lost.
        dashboard: serve Ray's web page, on 127.0.0.1.
        observer: by `_target_`: called at the sweep's begin and end, see `_state.Observer`.
        check: by `_target_`: called with each composed configuration; raises an error to refuse it.
    """

    _target_: str = f"{PACKAGE}.sweeper.RaySweeper"
    _recursive_: bool = False
    defaults: List[Any] = field(default_factory=lambda: ["_self_", {"search": "auto"}, {"scheduler": "asha"}])  # noqa: UP006
    params: Dict[str, Any] = field(default_factory=dict)  # noqa: UP006
    when: Dict[str, Any] = field(default_factory=dict)  # noqa: UP006
    trials: Optional[int] = None  # noqa: UP045
    hours: Optional[float] = None  # noqa: UP045
    defaults_first: bool = False
    repeats: int = 1
    repeat_key: str = "seed"
    repeated: int = 3
    finals: Any = None
    final_share: float = 0.4
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
    "auto": {"_target_": None},  # a grid where every parameter has a list of values and `trials` is not set, else TPE
    "grid": {"_target_": f"{PACKAGE}._search.Grid"},
    "random": {"_target_": f"{PACKAGE}._search.Random", "seed": SEED},
    "tpe": {"_target_": "ray.tune.search.optuna.OptunaSearch", "seed": SEED},
    "bohb": {"_target_": "ray.tune.search.bohb.TuneBOHB", "seed": SEED},  # with scheduler=bohb
    "hyperopt": {"_target_": "ray.tune.search.hyperopt.HyperOptSearch", "random_state_seed": SEED},
}
# `grace`, `interval`: fractions of max_time.
SCHEDULERS: Dict[str, Dict[str, Any]] = {  # noqa: UP006
    "own": {"_target_": None},  # set it on the command line; its options as +hydra.sweeper.scheduler.key=value
    "fifo": {"_target_": "ray.tune.schedulers.FIFOScheduler"},
    "asha": {"_target_": f"{PACKAGE}._schedule.asha", **CLOCK, "grace": 0.1, "eta": 3.0},
    "hyperband": {"_target_": f"{PACKAGE}._schedule.hyperband", **CLOCK, "eta": 3.0},
    "bohb": {"_target_": f"{PACKAGE}._schedule.bohb", **CLOCK, "eta": 3.0},  # with search=bohb
    "median": {"_target_": f"{PACKAGE}._schedule.median", **CLOCK, "grace": 0.2, "least": 3},
    "pbt": {"_target_": f"{PACKAGE}._schedule.pbt", **CLOCK, "interval": 0.2, "quantile": 0.25, "resample": 0.25},
}

_STORE = ConfigStore.instance()
_STORE.store(group="hydra/sweeper", name="ray", node=RaySweeperConf, provider="quartet_ray_sweeper")
for _group, _options in (("search", SEARCHES), ("scheduler", SCHEDULERS)):
    for _name, _node in _options.items():
        _STORE.store(group=f"hydra/sweeper/{_group}", name=_name, node=_node, provider="quartet_ray_sweeper")


class RaySweeper(Sweeper):
    """Run the jobs of a multirun as trials of Ray Tune."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Take context, task and configuration from Hydra."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: List[str]) -> Any:  # noqa: UP006
        """Run the sweep of the command line's `arguments`; return its jobs in batches."""
        from hydra_plugins.quartet_ray_sweeper._sweep import run_sweep

        return run_sweep(
            arguments,
            options=self.options,
            config=cast(DictConfig, self.config),
            hydra_context=self.hydra_context,
            task_function=self.task_function,
        )
