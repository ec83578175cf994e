"""A Hydra sweeper on Ray Tune: `--multirun hydra/sweeper=ray`, for any Hydra application.

A task that the scheduler may stop early reports its metrics now and then, and ends when `report` returns True:

    from hydra_plugins.quartet_ray_sweeper import report, trial

    if report({"objective": loss, "time": steps}):
        …  # clean up and return

Outside a sweep `report` does nothing and `trial()` is None; neither imports Ray. The other public names load on first
use (PEP 562), since some of them import Hydra or OmegaConf.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hydra_plugins.quartet_ray_sweeper._report import Trial, TrialStopped, report, trial, use_channel

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper._cluster import (
        ResourceRequest,
        describe_nodes,
        live_nodes,
        ray_running,
        remove_orphans,
        set_ray_environment,
    )
    from hydra_plugins.quartet_ray_sweeper._journal import Journal, Record
    from hydra_plugins.quartet_ray_sweeper._overrides import override_lines
    from hydra_plugins.quartet_ray_sweeper._space import SweeperError
    from hydra_plugins.quartet_ray_sweeper._state import OBJECTIVE, Sweep

# The module of each name that loads on first use.
LAZY = {
    "ResourceRequest": "_cluster",
    "describe_nodes": "_cluster",
    "live_nodes": "_cluster",
    "ray_running": "_cluster",
    "remove_orphans": "_cluster",
    "set_ray_environment": "_cluster",
    "Journal": "_journal",
    "Record": "_journal",
    "SweeperError": "_space",
    "override_lines": "_overrides",
    "OBJECTIVE": "_state",
    "Sweep": "_state",
}

__all__ = [
    "OBJECTIVE",
    "Journal",
    "Record",
    "ResourceRequest",
    "Sweep",
    "SweeperError",
    "Trial",
    "TrialStopped",
    "describe_nodes",
    "live_nodes",
    "override_lines",
    "ray_running",
    "remove_orphans",
    "report",
    "set_ray_environment",
    "trial",
    "use_channel",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LAZY[name]}"), name)
