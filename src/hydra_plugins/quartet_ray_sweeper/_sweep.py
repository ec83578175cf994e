"""Prepare a sweep from the command line and options: check, parse, lock the folder, run."""

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

from hydra_plugins.quartet_ray_sweeper._journal import (
    OPTIONS,
    SWEEP_FILE,
    Journal,
    delete_sweep,
    holds_same_sweep,
    refuse_other_sweep,
    write_sweep_file,
)
from hydra_plugins.quartet_ray_sweeper._overrides import parse
from hydra_plugins.quartet_ray_sweeper._space import Space, SweeperError
from hydra_plugins.quartet_ray_sweeper._state import Sweep

# Options that may change between two attempts at one sweep: how far it goes and where it runs.
MAY_CHANGE = (
    "trials", "hours", "repeats", "repeated", "repeat_key", "finals", "final_share", "resume", "address",
    "max_batch_size", "fail_fast", "retries", "dashboard", "cpus", "gpus", "worker_cpus", "worker_gpus", "params",
    "when", "observer", "check", "_target_",
)  # fmt: skip
MINIMUMS = {"trials": 1, "repeats": 1, "repeated": 1, "hours": 0, "final_share": 0, "max_batch_size": 1, "retries": 0,
            "workers": 0, "cpus": 0, "gpus": 0, "worker_cpus": 0, "worker_gpus": 0, "max_time": 0}  # fmt: skip


def run_sweep(
    arguments: Sequence[str], *, options: dict[str, Any], config: DictConfig, hydra_context: Any, task_function: Any
) -> list[list[JobReturn]]:
    """Run all trials; return their jobs, in batches of `max_batch_size`.

    Raises `SweeperError` before Ray starts for a sweep that cannot run, and at the end where every trial failed.
    """
    _check_minimums(options)
    space = parse(
        arguments,
        params=options["params"] or {},
        when=options["when"] or {},
        config_loader=hydra_context.config_loader,
    )
    metrics, modes = _metrics_and_modes(options)
    _check_repeats(options, metrics)
    options = {**options, "metric": metrics, "mode": modes, "finals": _as_data(options["finals"]) or []}
    identity = _identity(config, space, options, hydra_context.config_loader)
    folder = _sweep_folder(config, identity, resume=options["resume"])
    fresh = options["resume"] is False
    from hydra_plugins.quartet_ray_sweeper import _run

    def begin() -> None:
        if fresh:
            delete_sweep(folder)
        write_sweep_file(folder, identity)
        OmegaConf.save(config, folder / "multirun.yaml")
        sweep.journal.start_clock()  # Ray has started, which can take long on a busy machine

    with _locked(folder):
        if not fresh:
            refuse_other_sweep(folder, identity)
        sweep = Sweep(
            folder=folder, config=config, space=space, journal=Journal(folder, fresh=fresh), metrics=metrics,
            modes=modes, clock=options["time"], max_time=options["max_time"], options=options,
        )  # fmt: skip
        return _run.run(sweep, begin=begin, hydra_context=hydra_context, task_function=task_function)


def _check_minimums(options: dict[str, Any]) -> None:
    """Raise `SweeperError` for an option below its minimum."""
    for key, least in MINIMUMS.items():
        if options[key] is not None and options[key] < least:
            raise SweeperError(f"hydra.sweeper.{key}: given {options[key]:g}, needs at least {least}")


def _check_repeats(options: dict[str, Any], metrics: tuple[str, ...]) -> None:
    """Raise `SweeperError` for repeats or finals that have no single winner, and for finals of a wrong form."""
    again = next((key for key, on in (("repeats", options["repeats"] > 1), ("finals", options["finals"])) if on), None)
    if again and len(metrics) > 1:
        raise SweeperError(f"hydra.sweeper.{again}: needs one metric, by which to choose; given {', '.join(metrics)}")
    finals = _as_data(options["finals"]) or []
    lists = isinstance(finals, list) and all(isinstance(final, list) for final in finals)
    if not lists or not all(isinstance(line, str) and "=" in line for final in finals for line in final):
        raise SweeperError(
            f"hydra.sweeper.finals: given {finals}, needs lists of overrides, as [['seed=1'], ['seed=2']]"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, since two drivers of one sweep would run each trial twice. Raise `SweeperError` if it is
    held."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SweeperError(
            f"{folder}: this sweep is under way already; for another give another hydra.sweep.dir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _metrics_and_modes(options: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return metrics and modes, one mode for each metric. Raise `SweeperError` for a wrong mode."""
    metric, mode = options["metric"], options["mode"]
    metrics = (metric,) if isinstance(metric, str) else tuple(metric)
    modes = (mode,) if isinstance(mode, str) else tuple(mode)
    modes = modes * len(metrics) if len(modes) == 1 else modes
    wrong = [each for each in modes if each not in ("min", "max")]
    if wrong or len(modes) != len(metrics):
        raise SweeperError(f"hydra.sweeper.mode: given {mode!r}, needs min or max for each of {', '.join(metrics)}")
    return metrics, modes


def _identity(config: DictConfig, space: Space, options: dict[str, Any], loader: Any) -> dict[str, Any]:
    """Return everything that distinguishes this sweep from another: space, base configuration, options of the swept
    groups, and search options."""
    return {
        "space": space.as_text(),
        "constants": space.constants,
        "base": _application_config(config),
        OPTIONS: _group_options(config, space, loader),
        # An option that older sweeps did not know counts only where it is set.
        "sweeper": {
            key: _as_data(value)
            for key, value in options.items()
            if key not in MAY_CHANGE and (key != "defaults_first" or value)
        },
    }


def _application_config(config: DictConfig) -> Any:
    """Return the configuration without the node `hydra`, as data."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return OmegaConf.to_container(own, resolve=False, enum_to_str=True)


def _group_options(config: DictConfig, space: Space, loader: Any) -> dict[str, Any]:
    """Return the composed configuration for each option of a swept group, the other parameters at their first values.

    Options that do not compose are left out.
    """
    found = {}
    for parameter in space.parameters:
        group = parameter.key.lstrip("+").partition("@")[0]
        if parameter.values is None or not loader.get_group_options(group):
            continue
        for value in parameter.values:
            with suppress(HydraException, OmegaConfBaseException):
                composed = loader.load_sweep_config(config, space.overrides(space.probe(parameter, value, 0)))
                found[f"{parameter.key}={value}"] = _application_config(composed)
    return found


def _as_data(value: Any) -> Any:
    """Return lists and dicts for OmegaConf's nodes and for tuples."""
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value)
    return list(value) if isinstance(value, tuple) else value


def _sweep_folder(config: DictConfig, identity: dict[str, Any], *, resume: bool | None) -> Path:
    """Return the sweep's folder. With `resume`, return the newest folder next to it that holds the same sweep.

    Without a match, return the newest sweep of all, so that the refusal shows what differs.
    """
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    if not resume or (folder / SWEEP_FILE).exists():
        return folder
    sweeps = sorted(folder.parent.glob(f"*/{SWEEP_FILE}"), key=lambda path: path.stat().st_mtime)
    if not sweeps:
        raise SweeperError(
            f"hydra.sweeper.resume: there is no sweep in {folder.parent}; leave it out, or give hydra.sweep.dir"
        )
    matching = [path for path in sweeps if holds_same_sweep(path.parent, identity)]
    return (matching or sweeps)[-1].parent
