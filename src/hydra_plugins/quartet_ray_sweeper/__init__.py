"""A Hydra sweeper on Ray Tune: `--multirun hydra/sweeper=ray`, for any Hydra application.

A task that wants to be stopped early says now and then how it stands, and ends when it is told to:

    from hydra_plugins.quartet_ray_sweeper import report, trial

    if report({"objective": loss, "time": steps}):
        …  # clean up and return

Outside a sweep `report` does nothing and `trial()` is None; neither imports Ray.
"""

from hydra_plugins.quartet_ray_sweeper._report import Stopped, Trial, report, trial

__all__ = ["Stopped", "Trial", "report", "trial"]
