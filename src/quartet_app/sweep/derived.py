"""What a sweep on Ray must know of the runs that it tries, found from what was typed: which way the objective goes,
where the clock ends, how many workers a trial starts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from quartet.budget import Budget, Spent
from quartet.data.loading.kinds import kind_path
from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.resolved import Config, resolve
from quartet_app.config.signatures import constants
from quartet_app.sweep.refusals import refuse_deletions, refuse_metric, refuse_shapes, refuse_solved
from quartet_app.sweep.tuned import chosen_file, defaults

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override

SWEEPER = "hydra/sweeper"
# What decides the objective, how long a trial trains, and how many workers it starts: each of its values is looked at.
DECIDING = ("experiment", "profile", "tuned", "task", "budget", "data", "trainer")


def on_ray(overrides: Sequence[Override]) -> bool:
    """Whether the command line asks for the Ray sweeper: by name, or by a file of conf/sweep/."""
    if any(one.key_or_group == "sweep" and one.is_sweep_override() for one in overrides):
        raise QuartetError("sweep: several are given; sweep one at a time")
    chosen = {one.key_or_group: one.value() for one in overrides if not one.is_sweep_override()}
    return chosen.get(SWEEPER) == "ray" or (chosen.get("sweep") is not None and SWEEPER not in chosen)


def derived_overrides(overrides: Sequence[Override], loader: ConfigLoader | None = None) -> list[str]:
    """What to add to the command line. Composes and checks the first of the runs, prepares its data, refuses runs whose
    objectives do not compare. `loader` knows the groups of conf/, for globs."""
    from hydra_plugins.quartet_ray_sweeper._space import lines

    refuse_deletions(overrides)
    file = chosen_file("sweep", overrides)
    own = (file.get("hydra") or {}).get("sweeper") or {}
    given = {str(one.key_or_group) for one in overrides} | {f"hydra.sweeper.{key}" for key in own}
    params = OverridesParser.create(config_loader=loader).parse_overrides(lines(own.get("params") or {}))
    refuse_metric({**own, **_sweeper_options(overrides)}, given)
    refuse_shapes([*params, *overrides], scheduler=_scheduler(overrides, file))
    configs = _trees([*params, *overrides])
    mode = _mode(configs)
    time, max_time = _clock(configs)
    devices = max(config["trainer"]["devices"] for config in configs)
    added = {
        "hydra.sweeper.mode": mode,
        "hydra.sweeper.time": time,
        "hydra.sweeper.max_time": max_time,
        "hydra.sweeper.workers": devices if devices > 1 else 0,
        "hydra.sweeper.check": "quartet_app.sweep.derived.check_job",
        "hydra.sweeper.observer": "{_target_: quartet_app.sweep.observer.StudyRun, tuned: null}",
        "tracking.model": "false",  # exported for every trial it would cost more than some trials do
    }
    if "tracking" in given or not all("model" in config["tracking"] for config in configs):
        del added["tracking.model"]
    return [f"{key}={value}" for key, value in added.items() if key not in given]


def _mode(configs: Sequence[Config]) -> str:
    """Which way the objective goes; QuartetError where the runs have several."""
    goals = {_goal(config): config for config in configs}
    if len(goals) > 1:
        listed = "; ".join(f"{config['experiment']}: {monitor} ({mode})" for (monitor, mode), config in goals.items())
        raise QuartetError(
            f"a sweep looks for the best by one objective, these have several: {listed}\n"
            "sweep each by itself, or leave hydra/sweeper=ray out for a plain multirun"
        )
    ((_, mode),) = goals
    return mode


def _sweeper_options(overrides: Sequence[Override]) -> dict[str, Any]:
    """What was typed of `hydra.sweeper`."""
    head = "hydra.sweeper."
    return {
        key.removeprefix(head): one.value()
        for one in overrides
        if (key := str(one.key_or_group)).startswith(head) and not one.is_sweep_override()
    }


def _scheduler(overrides: Sequence[Override], file: Config) -> str | None:
    """The scheduler that is chosen by name: typed, or in the file of conf/sweep/."""
    group = f"{SWEEPER}/scheduler"
    typed = {one.key_or_group: one.value() for one in overrides if not one.is_sweep_override()}
    found = typed.get(group, defaults(file).get(f"override /{group}"))
    return None if found is None else str(found)


def _trees(overrides: Sequence[Override]) -> list[Config]:
    """The first run, and one for each other value of what decides, beside the others' first."""
    plain: list[str] = []
    swept: dict[str, list[str]] = {}
    deciding = set()
    for one in overrides:
        if one.is_hydra_override() or str(one.key_or_group).startswith("hydra"):
            continue
        key = one.get_key_element()
        if not one.is_sweep_override():
            plain.append(str(one.input_line))
            swept.pop(key, None)
        elif one.is_discrete_sweep():
            swept[key] = [f"{key}={value}" for value in one.sweep_string_iterator()]
            if str(one.key_or_group).split(".")[0] in DECIDING:
                deciding.add(key)
    first = {key: lines[0] for key, lines in swept.items()}
    points = [first] + [{**first, key: line} for key in swept if key in deciding for line in swept[key][1:]]
    configs = [compose([*plain, *point.values()]) for point in points]
    for config in configs:
        check(config)
        refuse_solved(overrides, config)
    return configs


def _goal(config: Config) -> tuple[str, str]:
    task = constants(config["task"]["_target_"])
    return task.get("MONITOR", ""), task.get("MODE", "min")


def _clock(configs: Sequence[Config]) -> tuple[str, float]:
    """By what trials are held against each other under way, and where the longest ends: samples, or what the budget
    counts where nets of one budget see different numbers of them. Prepares the data."""
    from quartet_app.data.prepared import ensure

    budgets = [Budget.parse(config["budget"]) for config in configs]
    units = {budget.unit if budget.unit in ("flops", "seconds") else "samples": budget for budget in budgets}
    if len(units) > 1:
        raise QuartetError(
            f"budget: a sweep has one clock, these have several: {' and '.join(map(str, units.values()))}\n"
            "give all of them a budget in the same unit"
        )
    (unit,) = units
    if unit == "samples":
        return unit, max(map(samples, configs))
    for config in configs:
        ensure(config["data"])  # here, and not in each trial
    return unit, max(budget.amount for budget in budgets)


def samples(config: Config) -> int:
    """A budget of samples, steps or epochs in samples. Prepares the data; texts are opened to count what an epoch or a
    step has of them."""
    from quartet_app.data.prepared import ensure

    folder = ensure(config["data"])
    budget, loading = Budget.parse(config["budget"]), config["data"]["loading"]
    manifest = json.loads((folder / "manifest.json").read_text())
    if budget.unit == "samples":
        return round(budget.amount)
    if "examples" in manifest and constants(kind_path(manifest["kind"])).get("GROUP") is None:
        examples = min(manifest["examples"]["train"], loading.get("limit_train") or math.inf)
        return round(budget.amount * (examples if budget.unit == "epochs" else loading["batch_size"]))
    from quartet_app.run.build import build_data

    data = build_data(config, folder)
    batches, examples = data.batches("train", seed=config["seed"]), data.examples["train"]
    epoch = Spent(samples=examples, steps=batches.per_epoch, samples_per_epoch=examples, flops_per_sample=0.0)
    return round(examples / budget.used(epoch))


def check_job(config: Any) -> None:
    """The sweeper's check of a trial before it may run."""
    check(resolve(config))
