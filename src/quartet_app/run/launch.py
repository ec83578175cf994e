"""The one way to start workers: N of them, each given the run's folder and the hash of what lies in it.

N = 1 is this process. Several are processes of this machine, or Ray Train's on a cluster; they start
`worker.fit`, never the command line that the user typed, so that nothing composes twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Trial
    from quartet_app.run.run_folder import Run


class Launcher(Protocol):
    """What `conf/launcher/` makes."""

    def launch(self, run: Run) -> None:
        """Fit `run` on as many workers as its trainer asks for; returns when all have ended well.

        Errors: QuartetError where a worker refuses, RuntimeError with the worker's traceback shown where it fails.
        """


def launch(run: Run, trial: Trial | None) -> None:
    """As the run's launcher does; the workers of a sweep's trial are Ray Train's, since the sweep runs on Ray."""
    from hydra.utils import instantiate

    start = trial.checkpoint if trial is not None else None
    if trial is not None and run.config["trainer"]["devices"] > 1:
        from quartet_app.run.ray_train import fit_in_trial

        fit_in_trial(run, trial)
    elif trial is not None:
        try:
            alone(run, start=start)
        finally:
            tidy(compiled=run.config["trainer"]["compile"])
    else:
        launcher: Launcher = instantiate(run.config["launcher"])
        launcher.launch(run)


def alone(run: Run, *, start: Path | None = None) -> None:
    from quartet_app.run.worker import fit

    fit(run.folder, run.data, run.config_hash, start=start)


def tidy(*, compiled: bool) -> None:
    """Leave nothing to the next trial of this process: what was compiled (torch gives up after eight recompilations),
    and the GPU's memory."""
    import gc

    import torch

    if compiled:
        torch._dynamo.reset()
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


class Local:
    """This process, or several on this machine."""

    def launch(self, run: Run) -> None:
        devices = run.config["trainer"]["devices"]
        if devices == 1:
            alone(run)
        else:
            from quartet_app.run.local_workers import fit_locally

            fit_locally(run, devices=devices)
