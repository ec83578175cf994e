"""Measure what serving a run's model costs, for the evaluation's cost.json."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.config.resolved import load_run_config
from quartet_app.files import write_text
from quartet_app.run.environment import cores, processor
from quartet_app.run.results import SERVING

if TYPE_CHECKING:
    from torch import nn

SWITCH = "QUARTET_COSTS"  # 0 leaves the measuring out, also in the stages of DVC


def wanted() -> bool:
    """Return whether the environment lets costs be measured. Raises QuartetError for a value that says neither."""
    given = os.environ.get(SWITCH, "1")
    if given not in ("0", "1"):
        raise QuartetError(f"{SWITCH}: given {given!r}; 0 leaves costs of serving out, 1 measures them")
    return given == "1"


def costs_of(folder: Path, predicts: nn.Module, *, measures: bool) -> dict[str, Any]:
    """Return what serving the model `predicts` of the run in `folder` costs, with facts about the machine.

    Where that cannot be measured, or is not to be, the answer holds the reason alone, as `left_out`.
    """
    found = _measured(folder, predicts) if measures else {"left_out": "not asked for"}
    if measures and "left_out" in found:
        print(f"what serving costs was not measured: {found['left_out']}", file=sys.stderr)
    return found


def measure_later(folder: Path, evaluated: Path) -> None:
    """Measure what serving costs for a run whose evaluation, in `evaluated`, left it out; write cost.json there."""
    import torch

    from quartet_app.data.prepared import ensure
    from quartet_app.run.build import build_data, build_task, load_model, method_class

    config = load_run_config(folder)
    data = build_data(config, ensure(config["data"]))
    model = load_model(folder, config, build_task(config), data)
    before = torch.get_num_threads()
    found = costs_of(folder, method_class(config).predictor(model), measures=True)
    torch.set_num_threads(before)
    write_text(evaluated / "cost.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _measured(folder: Path, predicts: nn.Module) -> dict[str, Any]:
    """Return the costs of a model with the facts about the machine, or the reason why there are none."""
    from quartet import description
    from quartet.cost import serving_cost

    before = load()
    try:
        costs = serving_cost(predicts, description.read(folder))
    except QuartetError as error:
        return {"left_out": str(error).partition("\n")[0]}
    except Exception as error:  # an own role's script may raise anything, and the evaluation is good without
        return {"left_out": f"its script cannot answer its own example: {error!r}"}
    busy = before is not None and before > cores()
    return {**costs, "processor": processor(), "cores": cores(), "load": before, "busy": busy}


def load() -> float | None:
    """Return how many processes were at work in the last minute, rounded; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def tracked(costs: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics for MLflow, as "cost/latency_ms_1"."""
    return {f"cost/{name}": float(costs[name]) for name in SERVING if name in costs}
