"""What a sweep on Ray must know of the runs that it tries, found from what was typed: which way the objective goes,
where the clock ends, how many workers a trial starts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.check import check
from pipelines.configuration import Tree, compose, resolve
from pipelines.signatures import signature
from quartet.budget import Budget, Spent
from quartet.types import QuartetError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

SWEEPER = "hydra/sweeper"
DECIDING = ("experiment", "task")  # the groups that decide what the objective is


def on_ray(overrides: Sequence[Override]) -> bool:
    """Whether the command line asks for the Ray sweeper: by name, or by a file of conf/sweep/."""
    chosen = {one.key_or_group: one.value() for one in overrides if not one.is_sweep_override()}
    return chosen.get(SWEEPER) == "ray" or (chosen.get("sweep") is not None and SWEEPER not in chosen)


def completed(overrides: Sequence[Override]) -> list[str]:
    """What to add to the command line. Composes and checks the first of the runs, prepares its data, refuses runs whose
    objectives do not compare."""
    given = {one.key_or_group for one in overrides}
    trees = _trees(overrides)
    goals = {_goal(tree): tree for tree in trees}
    if len(goals) > 1:
        listed = "; ".join(f"{tree['experiment']}: {monitor} ({mode})" for (monitor, mode), tree in goals.items())
        raise QuartetError(
            f"a sweep looks for the best by one objective, these have several: {listed}\n"
            "sweep each by itself, or leave hydra/sweeper=ray out for a plain multirun"
        )
    ((_, mode),) = goals
    devices = max(_devices(overrides, tree) for tree in trees)
    added = {
        "hydra.sweeper.mode": mode,
        "hydra.sweeper.time": "samples",
        "hydra.sweeper.max_time": max(samples(tree) for tree in trees),
        "hydra.sweeper.workers": devices if devices > 1 else 0,
        "hydra.sweeper.check": "pipelines.sweeps.check_job",
        "hydra.sweeper.observer": "{_target_: pipelines.study.StudyRun, tuned: null}",
        "tracking.model": "false",  # exported for every trial it would cost more than some trials do
    }
    if "tracking" in given:
        del added["tracking.model"]
    return [f"{key}={value}" for key, value in added.items() if key not in given]


def _trees(overrides: Sequence[Override]) -> list[Tree]:
    """The first run, and the first for each value of what decides the objective."""
    plain, first = [], {}
    for one in overrides:
        if one.is_hydra_override() or str(one.key_or_group).startswith("hydra"):
            continue
        if not one.is_sweep_override():
            plain.append(str(one.input_line))
        elif one.is_discrete_sweep():
            values = list(one.sweep_string_iterator())
            keep = values if one.key_or_group in DECIDING else values[:1]
            first[one.get_key_element()] = [f"{one.get_key_element()}={value}" for value in keep]
    lines: list[list[str]] = [[]]
    for choices in first.values():
        lines = [[*line, choice] for line in lines for choice in choices]
    trees = [compose([*plain, *line]) for line in lines]
    for tree in trees:
        check(tree)
    return trees


def _goal(tree: Tree) -> tuple[str, str]:
    constants = getattr(signature(tree["task"]["_target_"]), "constants", {})
    return constants.get("MONITOR", ""), constants.get("MODE", "min")


def _devices(overrides: Sequence[Override], tree: Tree) -> int:
    swept = [one for one in overrides if one.key_or_group == "trainer.devices" and one.is_sweep_override()]
    return max(
        (int(value) for one in swept for value in one.sweep_string_iterator()), default=tree["trainer"]["devices"]
    )


def samples(tree: Tree) -> int:
    """The budget in samples, the unit of every sweep's clock. Prepares the data, here and not in each trial. Texts are
    opened to count what an epoch or a step has of them, and the net is built where the budget is in flops."""
    from pipelines.prepare import ensure

    folder = ensure(tree["data"])
    budget, loading = Budget.parse(tree["budget"]), tree["data"]["loading"]
    manifest = json.loads((folder / "manifest.json").read_text())
    if budget.unit == "samples":
        return round(budget.amount)
    if manifest["kind"] in ("images", "series") and budget.unit != "flops":
        examples = min(manifest["examples"]["train"], loading.get("limit_train") or math.inf)
        return round(budget.amount * (examples if budget.unit == "epochs" else loading["batch_size"]))
    from pipelines.build import build_data, build_method

    data = build_data(tree, folder)
    batches, examples = data.batches("train", seed=tree["seed"]), data.examples["train"]
    flops = build_method(tree, data).count_flops(next(iter(batches))) if budget.unit == "flops" else 1.0
    epoch = Spent(samples=examples, steps=batches.per_epoch, samples_per_epoch=examples, flops_per_sample=flops)
    return round(examples / budget.used(epoch))


def check_job(config: Any) -> None:
    """The sweeper's check of a trial before it may run."""
    check(resolve(config))
