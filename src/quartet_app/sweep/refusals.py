"""Refuse sweeps on Ray that cannot work, before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra_plugins.quartet_ray_sweeper import OBJECTIVE
from quartet.types import QuartetError
from quartet_app.config.options import net_keys
from quartet_app.sweep.tuned import NOT_TUNED

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from quartet_app.config.resolved import Config

# Keys that change the shape of weights, as the nets do. PBT copies weights between trials: it must not change these.
SHAPING = ("experiment", "task", "data", "match")


def refuse_deletions(overrides: Sequence[Override]) -> None:
    """Refuse `~key`: the winner's file of conf/tuned/ can set keys, but it cannot delete them."""
    for override in overrides:
        key = str(override.key_or_group)
        if override.is_delete() and not override.is_hydra_override() and key.split(".")[0] not in ("tuned", *NOT_TUNED):
            raise QuartetError(
                f"{override.input_line}: a sweep writes its winner to conf/tuned/, where no file can delete a key\n"
                f"give {key} another value, or remove it from the experiment's file"
            )


def refuse_solved(overrides: Sequence[Override], config: Config) -> None:
    """Refuse to sweep a width that `match` sets: all runs would be the same."""
    widths = [f"{key}.width" for key in net_keys()]
    target = next((f"match.{key}" for key, value in config["match"].items() if value is not None), None)
    for override in overrides:
        if target and override.is_sweep_override() and override.key_or_group in widths:
            raise QuartetError(
                f"{override.input_line}: {target} sets the width, so all of these would be the same run\n"
                f"add {target}=null, or sweep something else"
            )


def refuse_metric(options: dict[str, Any], given: set[str]) -> None:
    """Refuse a metric that is no validation metric, and one without a mode.

    `given`: the keys that the command line or the sweep's file sets. Only the objective's mode is known by itself.
    """
    metrics = options.get("metric", OBJECTIVE)
    for metric in metrics if isinstance(metrics, list) else [metrics]:
        if metric != OBJECTIVE and not str(metric).startswith("val/"):
            raise QuartetError(
                f"hydra.sweeper.metric: given {metric}, but a sweep needs a validation metric\n"
                f"take {OBJECTIVE} (the best value so far of the task's monitored metric) or val/…, such as val/loss"
            )
    if "hydra.sweeper.metric" in given and "hydra.sweeper.mode" not in given:
        raise QuartetError(
            "hydra.sweeper.mode: not given, but hydra.sweeper.metric is; add hydra.sweeper.mode=min or max"
        )


def refuse_shapes(overrides: Sequence[Override], *, scheduler: str | None) -> None:
    """Refuse to sweep shapes with PBT (population-based training), which copies weights from one trial to another."""
    if scheduler != "pbt":
        return
    parts = (*SHAPING, *net_keys())
    for override in overrides:
        key = str(override.key_or_group)
        shapes = any(key == part or key.startswith(f"{part}.") for part in parts) and not key.endswith("dropout")
        if override.is_sweep_override() and shapes:
            raise QuartetError(
                f"{key}: population-based training copies weights between trials; they fit no other net or data\n"
                "take another hydra/sweeper/scheduler, or sweep the optimizer, the schedule or dropout"
            )
