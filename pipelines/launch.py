"""The one way to start workers: N of them, each given the run's folder and the hash of what lies in it.

N = 1 is this process. Several are torch's elastic launcher on this machine; they start `worker.py`, never the
command line that the user typed, so that nothing composes twice.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pipelines.run import REPOSITORY
from quartet.types import QuartetError

if TYPE_CHECKING:
    from pipelines.run import Run


def launch(run: Run) -> None:
    """Fit `run` on as many workers as its trainer asks for; returns when all have ended well.

    Errors: QuartetError where a worker refuses, RuntimeError with the worker's traceback printed where it fails.
    """
    devices = run.tree["trainer"]["devices"]
    if devices == 1:
        from pipelines.worker import fit

        fit(run.folder, run.data, run.config_hash)
    else:
        elastic(run, devices=devices)


def elastic(run: Run, *, devices: int) -> None:
    """Torch's elastic launcher, as torchrun uses it."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=run.fingerprint[:12],
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
    )
    worker = (str(REPOSITORY / "pipelines" / "worker.py"), str(run.folder), str(run.data), run.config_hash)
    try:
        elastic_launch(config, sys.executable)("-u", *worker)
    except SignalException as signal:
        raise KeyboardInterrupt from signal
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        from pipelines.worker import REFUSED

        if failure.exitcode == REFUSED:
            raise QuartetError(f"worker {rank} refused the run: its message is above") from None
        raise RuntimeError(f"worker {rank} ended with exit code {failure.exitcode}: its message is above") from None
