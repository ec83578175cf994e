"""One sweep, from the command line to the list of jobs that Hydra expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.quartet_ray_sweeper._journal import OPTIONS, STUDY, Journal, forget, refuse_another, same, settle
from hydra_plugins.quartet_ray_sweeper._space import Refused, Space, parse
from hydra_plugins.quartet_ray_sweeper._study import Study

# What may change between two attempts at one sweep: how far it goes and where it runs.
ELASTIC = (
    "trials", "resume", "address", "max_batch_size", "fail_fast", "retries", "dashboard",
    "cpus", "gpus", "worker_cpus", "worker_gpus", "params", "when", "observer", "check", "_target_",
)  # fmt: skip
# The least that a number may be.
LEAST = {"trials": 1, "max_batch_size": 1, "retries": 0, "workers": 0, "cpus": 0, "gpus": 0, "worker_cpus": 0,
         "worker_gpus": 0, "max_time": 0}  # fmt: skip


def sweep(
    arguments: Sequence[str], *, options: dict[str, Any], config: DictConfig, hydra_context: Any, task_function: Any
) -> list[list[JobReturn]]:
    """Run all trials; returns their jobs, in batches of `max_batch_size`.

    Raises `Refused` for what cannot be swept, before Ray starts, and when no trial came to anything.
    """
    _in_range(options)
    space = parse(
        arguments,
        params=options["params"] or {},
        when=options["when"] or {},
        config_loader=hydra_context.config_loader,
    )
    metrics, modes = _sought(options)
    options = {**options, "metric": metrics, "mode": modes}
    asked = _asked(config, space, options, hydra_context.config_loader)
    folder = _folder(config, asked, resume=options["resume"])
    anew = options["resume"] is False
    from hydra_plugins.quartet_ray_sweeper import _run

    def begin() -> None:
        if anew:
            forget(folder)
        settle(folder, asked)
        OmegaConf.save(config, folder / "multirun.yaml")

    with _locked(folder):
        if not anew:
            refuse_another(folder, asked)
        study = Study(
            folder=folder, config=config, space=space, journal=Journal(folder, anew=anew), metrics=metrics, modes=modes,
            clock=options["time"], max_time=options["max_time"], options=options,
        )  # fmt: skip
        return _run.run(study, begin=begin, hydra_context=hydra_context, task_function=task_function)


def _in_range(options: dict[str, Any]) -> None:
    for key, least in LEAST.items():
        if options[key] is not None and options[key] < least:
            raise Refused(f"hydra.sweeper.{key}: given {options[key]:g}, needs at least {least}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two drivers of one sweep would run each trial twice."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Refused(f"{folder}: this sweep is under way already; for another give another hydra.sweep.dir") from None
    try:
        yield
    finally:
        lock.release()


def _sought(options: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Metrics and modes, as many of one as of the other."""
    metric, mode = options["metric"], options["mode"]
    metrics = (metric,) if isinstance(metric, str) else tuple(metric)
    modes = (mode,) if isinstance(mode, str) else tuple(mode)
    modes = modes * len(metrics) if len(modes) == 1 else modes
    wrong = [one for one in modes if one not in ("min", "max")]
    if wrong or len(modes) != len(metrics):
        raise Refused(f"hydra.sweeper.mode: given {mode!r}, needs min or max for each of {', '.join(metrics)}")
    return metrics, modes


def _asked(config: DictConfig, space: Space, options: dict[str, Any], loader: Any) -> dict[str, Any]:
    """What makes this sweep this one: its space, its base configuration, the options of the groups that it sweeps, and
    how it searches."""
    return {
        "space": space.described(),
        "constants": space.constants,
        "base": _own(config),
        OPTIONS: _options(config, space, loader),
        "sweeper": {key: _as_data(value) for key, value in options.items() if key not in ELASTIC},
    }


def _own(config: DictConfig) -> Any:
    """The application's part of a configuration, as data."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return OmegaConf.to_container(own, resolve=False, enum_to_str=True)


def _options(config: DictConfig, space: Space, loader: Any) -> dict[str, Any]:
    """What each option of a swept group comes to beside the others' first values; not where it does not compose."""
    found = {}
    for one in space.parameters:
        group = one.key.lstrip("+").partition("@")[0]
        if one.values is None or not loader.get_group_options(group):
            continue
        for value in one.values:
            with suppress(HydraException, OmegaConfBaseException):
                composed = loader.load_sweep_config(config, space.overrides(space.beside(one, value, 0)))
                found[f"{one.key}={value}"] = _own(composed)
    return found


def _as_data(value: Any) -> Any:
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value)
    return list(value) if isinstance(value, tuple) else value


def _folder(config: DictConfig, asked: dict[str, Any], *, resume: bool | None) -> Path:
    """Where the sweep lies. To resume is to take the newest beside it that is the same, or whatever is the newest,
    so that the refusal shows what differs."""
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    if not resume or (folder / STUDY).exists():
        return folder
    sweeps = sorted(folder.parent.glob(f"*/{STUDY}"), key=lambda path: path.stat().st_mtime)
    if not sweeps:
        raise Refused(
            f"hydra.sweeper.resume: there is no sweep in {folder.parent}; leave it out, or give hydra.sweep.dir"
        )
    alike = [path for path in sweeps if same(path.parent, asked)]
    return (alike or sweeps)[-1].parent
