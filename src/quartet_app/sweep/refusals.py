"""What no sweep on Ray can make sense of, refused in a line before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra_plugins.quartet_ray_sweeper._study import OBJECTIVE
from quartet.types import QuartetError
from quartet_app.config.options import net_keys
from quartet_app.sweep.tuned import NOT_TUNED

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from quartet_app.config.resolved import Config

# Of what PBT may change nothing under way: the weights that it hands on would not fit.
SHAPING = ("experiment", "task", "data", "match")  # and the nets


def refuse_deletions(overrides: Sequence[Override]) -> None:
    """What a sweep finds becomes a file that says what to set, and can take nothing away."""
    for one in overrides:
        key = str(one.key_or_group)
        if one.is_delete() and not one.is_hydra_override() and key.split(".")[0] not in ("tuned", *NOT_TUNED):
            raise QuartetError(
                f"{one.input_line}: what a sweep finds becomes a file of conf/tuned/, which cannot take a key away\n"
                f"give {key} another value, or take it out of the experiment's file"
            )


def refuse_solved(overrides: Sequence[Override], config: Config) -> None:
    """A width that `match` solves for is none to sweep: all of the runs would be the same."""
    widths = [f"{key}.width" for key in net_keys()]
    wished = next((f"match.{key}" for key, value in config["match"].items() if value is not None), None)
    for one in overrides:
        if wished and one.is_sweep_override() and one.key_or_group in widths:
            raise QuartetError(
                f"{one.input_line}: {wished} sets the width, so that all of these are one run\n"
                f"add {wished}=null, or sweep something else"
            )


def refuse_metric(options: dict[str, Any], given: set[str]) -> None:
    """A sweep may go by what a run says of its validation, and knows its way for the objective alone."""
    asked = options.get("metric", OBJECTIVE)
    for metric in asked if isinstance(asked, list) else [asked]:
        if metric != OBJECTIVE and not str(metric).startswith("val/"):
            raise QuartetError(
                f"hydra.sweeper.metric: given {metric}, which no sweep goes by\n"
                f"take {OBJECTIVE}, the best so far of what the task is validated by, or another of val/…, as val/loss"
            )
    if "hydra.sweeper.metric" in given and "hydra.sweeper.mode" not in given:
        raise QuartetError(
            "hydra.sweeper.mode: not given beside hydra.sweeper.metric; add hydra.sweeper.mode=min or max"
        )


def refuse_shapes(overrides: Sequence[Override], *, scheduler: str | None) -> None:
    """Population-based training hands weights from one trial to another, whose net must be the same."""
    if scheduler != "pbt":
        return
    nets = net_keys()
    for one in overrides:
        key = str(one.key_or_group)
        shapes = any(key == part or key.startswith(f"{part}.") for part in (*SHAPING, *nets)) and not key.endswith(
            "dropout"
        )
        if one.is_sweep_override() and shapes:
            raise QuartetError(
                f"{key}: population-based training hands weights on, which fit no other net or data\n"
                "take another hydra/sweeper/scheduler, or sweep the optimizer, the schedule or dropout"
            )
