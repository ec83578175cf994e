"""Derive the settings of a sweep on Ray from its runs: the direction of the objective, the clock, the workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from quartet.budget import Budget, Spent
from quartet.data.loading.kinds import kind_path
from quartet.data.loading.streams import limit_count
from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.resolved import Config, resolve
from quartet_app.config.signatures import constants
from quartet_app.data.content import read_manifest
from quartet_app.sweep.refusals import refuse_deletions, refuse_metric, refuse_shapes, refuse_solved
from quartet_app.sweep.tuned import chosen_file, defaults

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override

SWEEPER = "hydra/sweeper"
# Keys that decide the objective, the length of training or the number of workers. Each of their values is composed.
DECIDING = ("experiment", "profile", "tuned", "task", "budget", "data", "trainer")


def on_ray(overrides: Sequence[Override]) -> bool:
    """Return True where the command line chooses the Ray sweeper, by its name or by a file of conf/sweep/ or space/."""
    if any(override.key_or_group == "sweep" and override.is_sweep_override() for override in overrides):
        raise QuartetError("sweep: several are given; sweep one at a time")
    chosen = {override.key_or_group: override.value() for override in overrides if not override.is_sweep_override()}
    files = any(chosen.get(group) is not None for group in ("sweep", "space"))
    return chosen.get(SWEEPER) == "ray" or (files and SWEEPER not in chosen)


def derived_overrides(overrides: Sequence[Override], loader: ConfigLoader | None = None) -> list[str]:
    """Return the overrides to add to the command line of a sweep on Ray.

    Composes and checks the first run and each other that may have another objective or clock, and prepares their data.
    `loader` knows the groups of conf/, which globs need. QuartetError where the objectives do not compare.
    """
    from hydra_plugins.quartet_ray_sweeper import override_lines

    refuse_deletions(overrides)
    file = chosen_file("sweep", overrides)
    own = {**sweeper_section(chosen_file("space", overrides)), **sweeper_section(file)}
    given = {str(override.key_or_group) for override in overrides} | {f"hydra.sweeper.{key}" for key in own}
    params = OverridesParser.create(config_loader=loader).parse_overrides(override_lines(own.get("params") or {}))
    refuse_metric({**own, **_sweeper_options(overrides)}, given)
    refuse_shapes([*params, *overrides], scheduler=_scheduler(overrides, file))
    configs = _deciding_configs([*params, *overrides])
    mode = _mode(configs)
    time, max_time = _clock(configs)
    devices = max(config["trainer"]["devices"] for config in configs)
    added = {
        "hydra.sweeper.mode": mode,
        "hydra.sweeper.time": time,
        "hydra.sweeper.max_time": max_time,
        "hydra.sweeper.workers": devices if devices > 1 else 0,
        "hydra.sweeper.check": "quartet_app.sweep.derived.check_job",
        "hydra.sweeper.observer": "{_target_: quartet_app.sweep.observer.SweepTracker, tuned: null}",
        "tracking.model": "false",  # to export a model can take longer than a whole trial
    }
    if "tracking" in given or not all("model" in config["tracking"] for config in configs):
        del added["tracking.model"]
    return [f"{key}={value}" for key, value in added.items() if key not in given]


def sweeper_section(file: Config) -> dict[str, Any]:
    """Return the options of `hydra.sweeper` in a file of conf/space/ or conf/sweep/."""
    return (file.get("hydra") or {}).get("sweeper") or {}


def _mode(configs: Sequence[Config]) -> str:
    """Return the direction of the objective, "min" or "max"; QuartetError where the runs have several objectives."""
    goals = {_goal(config): config for config in configs}
    if len(goals) > 1:
        listed = "; ".join(f"{config['experiment']}: {monitor} ({mode})" for (monitor, mode), config in goals.items())
        raise QuartetError(
            f"a sweep has one objective, these runs have several: {listed}\n"
            "sweep each by itself, or leave out hydra/sweeper=ray for a plain multirun"
        )
    ((_, mode),) = goals
    return mode


def _sweeper_options(overrides: Sequence[Override]) -> dict[str, Any]:
    """Return the options of `hydra.sweeper` on the command line, by name."""
    head = "hydra.sweeper."
    return {
        key.removeprefix(head): override.value()
        for override in overrides
        if (key := str(override.key_or_group)).startswith(head) and not override.is_sweep_override()
    }


def _scheduler(overrides: Sequence[Override], file: Config) -> str | None:
    """Return the name of the scheduler, from the command line or from the file of conf/sweep/; None for neither."""
    group = f"{SWEEPER}/scheduler"
    chosen = {override.key_or_group: override.value() for override in overrides if not override.is_sweep_override()}
    name = chosen.get(group, defaults(file).get(f"override /{group}"))
    return None if name is None else str(name)


def _deciding_configs(overrides: Sequence[Override]) -> list[Config]:
    """Compose and check the first run, and a run for each further value of a deciding key, others at their first."""
    plain: list[str] = []
    swept: dict[str, list[str]] = {}
    deciding = set()
    for override in overrides:
        if override.is_hydra_override() or str(override.key_or_group).startswith("hydra"):
            continue
        key = override.get_key_element()
        if not override.is_sweep_override():
            plain.append(str(override.input_line))
            swept.pop(key, None)
        elif override.is_discrete_sweep():
            swept[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            if str(override.key_or_group).split(".")[0] in DECIDING:
                deciding.add(key)
    first = {key: lines[0] for key, lines in swept.items()}
    points = [first] + [{**first, key: line} for key in swept if key in deciding for line in swept[key][1:]]
    configs = [compose([*plain, *point.values()]) for point in points]
    for config in configs:
        check(config)
        refuse_solved(overrides, config)
    return configs


def _goal(config: Config) -> tuple[str, str]:
    """Return the metric that the config's task is monitored by, and its mode "min" or "max"."""
    task = constants(config["task"]["_target_"])
    return task.get("MONITOR", ""), task.get("MODE", "min")


def _clock(configs: Sequence[Config]) -> tuple[str, float]:
    """Return the clock by which running trials are compared, and its value at the end of the longest trial.

    The clock counts samples. For a budget in flops or seconds it counts these, because nets then see different numbers
    of samples. Prepares the data. QuartetError where the budgets have different clocks.
    """
    from quartet_app.data.prepared import ensure

    budgets = [Budget.parse(config["budget"]) for config in configs]
    units = {budget.unit if budget.unit in ("flops", "seconds") else "samples": budget for budget in budgets}
    if len(units) > 1:
        raise QuartetError(
            f"budget: a sweep has one clock, these runs have several: {' and '.join(map(str, units.values()))}\n"
            "give all of them a budget in the same unit"
        )
    (unit,) = units
    if unit == "samples":
        return unit, max(map(budget_in_samples, configs))
    for config in configs:
        ensure(config["data"])  # once here, so that trials do not prepare it at the same time
    return unit, max(budget.amount for budget in budgets)


def budget_in_samples(config: Config) -> int:
    """Return a budget of samples, steps or epochs as a number of samples. Prepares the data.

    Opens texts and pairs, because their manifest does not say how many samples a step or an epoch has.
    """
    from quartet_app.data.prepared import ensure

    folder = ensure(config["data"])
    budget, loading = Budget.parse(config["budget"]), config["data"]["loading"]
    manifest = read_manifest(folder)
    if budget.unit == "samples":
        return round(budget.amount)
    if "examples" in manifest and constants(kind_path(manifest["kind"])).get("GROUP") is None:
        count = manifest["examples"]["train"]
        examples = min(count, limit_count(loading.get("limit_train"), count) or count)
        return round(budget.amount * (examples if budget.unit == "epochs" else loading["batch_size"]))
    from quartet_app.run.build import build_data

    data = build_data(config, folder)
    batches, examples = data.batches("train", seed=config["seed"]), data.examples["train"]
    epoch = Spent(samples=examples, steps=batches.per_epoch, samples_per_epoch=examples, flops_per_sample=0.0)
    return round(examples / budget.used(epoch))


def check_job(config: Any) -> None:
    """Refuse a trial whose config cannot run; the sweeper calls this before it starts one."""
    check(resolve(config))
