"""Start the workers of a run: this process, several processes of this machine, or workers on a Ray cluster.

Each worker gets the run's folder and the hash of its configuration. Local workers and Ray Train's start `worker.fit`,
never the user's command line, so a configuration is composed only once.
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
        """Fit `run` on `trainer.devices` workers; returns when all have ended without an error.

        Raises QuartetError where a worker refuses the run, and RuntimeError where one fails; its traceback is printed.
        """


def launch(run: Run, trial: Trial | None) -> None:
    """Start the workers by the run's launcher. Those of a sweep's trial start by Ray Train: the sweep runs on Ray."""
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
    """Fit `run` in this process, from the checkpoint `start` if one is named."""
    from quartet_app.run.workers.worker import fit

    fit(run.folder, run.data, run.config_hash, start=start)


def free_memory(*, compiled: bool) -> None:
    """Free compiled code and GPU memory for the next trial in this process: torch stops after 8 recompilations."""
    import gc

    import torch

    if compiled:
        torch._dynamo.reset()
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


class Local:
    """`launcher=local`: this process for one device, else a process for each device of this machine."""

    def launch(self, run: Run) -> None:
        """Fit `run`; see `Launcher`."""
        devices = run.config["trainer"]["devices"]
        if devices == 1:
            fit_here(run)
        else:
            from quartet_app.run.workers.local_workers import fit_locally

            fit_locally(run, devices=devices)
