"""Start the workers of a run: this process, several processes of this machine, or workers on a Ray cluster.

Each worker gets the run's folder and the hash of its configuration, and runs `worker.fit`. No worker runs the user's
command line again, so a configuration is composed only once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hydra_plugins.quartet_ray_sweeper import Trial
    from quartet_app.run.run_folder import Run


class Launcher(Protocol):
    """An object that an option of conf/launcher/ makes."""

    def launch(self, run: Run) -> None:
        """Fit `run` on `trainer.devices` workers; return when all have ended without an error.

        Raises QuartetError where a worker refuses the run, and RuntimeError where a worker fails and has printed its
        traceback.
        """


def launch(run: Run, trial: Trial | None) -> None:
    """Start the workers by the run's launcher. A sweep runs on Ray, so the workers of its trials start by Ray Train."""
    from hydra.utils import instantiate

    start = trial.checkpoint if trial is not None else None
    if trial is not None and run.config["trainer"]["devices"] > 1:
        from quartet_app.run.workers.ray_train import fit_in_trial

        fit_in_trial(run, trial)
    elif trial is not None:
        try:
            fit_here(run, start=start)
        finally:
            free_memory(compiled=run.config["trainer"]["compile"])
    else:
        launcher: Launcher = instantiate(run.config["launcher"])
        launcher.launch(run)


def fit_here(run: Run, *, start: Path | None = None) -> None:
    """Fit `run` in this process, from the checkpoint `start` if there is one."""
    from quartet_app.run.workers.worker import fit

    fit(run.folder, run.data, run.config_hash, start=start)


def free_memory(*, compiled: bool) -> None:
    """Free GPU memory and compiled code for the next trial in this process.

    Without this, torch would stop to compile after 8 recompilations.
    """
    import gc

    import torch

    if compiled:
        torch._dynamo.reset()
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


class Local:
    """Launch by `launcher=local`: in this process for one device, else in one process for each device."""

    def launch(self, run: Run) -> None:
        """Fit `run`; see `Launcher`."""
        devices = run.config["trainer"]["devices"]
        if devices == 1:
            fit_here(run)
        else:
            from quartet_app.run.workers.local_workers import fit_locally

            fit_locally(run, devices=devices)
