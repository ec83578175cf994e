"""Build a worker's trainer: Lightning's, with checkpoints, a record of the curves, and DDP for several devices."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.run.local_workers import STORE

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from pytorch_lightning.profilers import PassThroughProfiler

    from quartet.methods.method import Method
    from quartet.methods.reporting import Reporting
    from quartet.tracking import Metrics


def build_trainer(
    config: dict[str, Any], method: Method, folder: Path, metrics: Metrics | None, reporting: Reporting, *, ray: bool
) -> pl.Trainer:
    """The trainer of this worker, with its checkpoints: the best by the task's monitor, the last to resume from."""
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.callbacks import ModelCheckpoint

    from quartet.methods.interruption import Interruptible
    from quartet.methods.recorder import Display, Recorder
    from quartet.methods.shared_memory import ShareMemory
    from quartet.nets import synchronise_batch_norm
    from quartet_app.run.checkpoint_files import WholeFiles

    quiet()
    options = config["trainer"]
    # Ray shows each worker its own GPU alone.
    accelerator = find_accelerator({**options, "devices": 1} if ray else options)
    # Deterministic algorithms would also fill all new memory, which costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    strategy, environment = find_strategy(method, ray=ray)
    launched = environment is not None
    if launched and options["sync_batch_norm"]:
        synchronise_batch_norm(method)
    if options["compile"]:
        for network in method.networks():
            network.compile()
    kept: dict[str, Any] = {
        "dirpath": folder / "checkpoints",
        "save_on_train_epoch_end": True,
        "auto_insert_metric_name": False,
        "enable_version_counter": False,
    }
    best = ModelCheckpoint(filename="best", monitor=f"val/{method.task.MONITOR}", mode=method.task.MODE, **kept)
    # One of its own: Lightning's `save_last` writes only where there is a new best.
    last = ModelCheckpoint(filename="last", monitor=None, **kept)
    shown = options["progress"] and os.environ.get("RANK", "0") == "0"
    display = Display(title=f"{config['experiment']} (seed {config['seed']})") if shown else None
    recorder = Recorder(every=options["log_every"], sink=metrics, display=display)
    callbacks: list[pl.Callback] = [recorder, best, last, reporting]
    if launched:
        callbacks.append(ShareMemory())
    if launched and not ray:
        callbacks.append(Interruptible())
    return pl.Trainer(
        accelerator=accelerator,
        devices="auto" if ray else options["devices"],
        strategy=strategy,
        plugins=[WholeFiles(), *([environment] if launched else [])],
        precision=options["precision"],
        deterministic=options["deterministic"],
        max_epochs=-1,  # the budget ends training
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=False,
        use_distributed_sampler=False,
        profiler=quiet_profiler(),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def find_strategy(method: Method, *, ray: bool) -> tuple[Any, Any]:
    """Lightning's strategy, and the environment of who launched this process: None where it is alone."""
    # Buffers are batch norm's: synchronised in the forward pass, or by the method before validation.
    ddp: dict[str, Any] = {
        "find_unused_parameters": method.UNUSED_PARAMETERS,
        "broadcast_buffers": False,
        "gradient_as_bucket_view": True,
    }
    if ray:
        from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

        return RayDDPStrategy(**ddp), RayLightningEnvironment()
    if STORE not in os.environ:
        return "auto", None
    from pytorch_lightning.plugins.environments import LightningEnvironment
    from pytorch_lightning.strategies import DDPStrategy

    return DDPStrategy(**ddp), LightningEnvironment()


def find_accelerator(options: dict[str, Any]) -> str:
    """What `trainer.accelerator` comes to on this machine; QuartetError where it lacks what is asked for.

    `auto` never takes Apple's GPU, which knows no float64: metrics are summed in it.
    """
    import torch

    found = torch.cuda.device_count()
    accelerator = {"auto": "gpu" if found else "cpu"}.get(options["accelerator"], options["accelerator"])
    if accelerator == "gpu" and found < options["devices"]:
        have = f"this machine has {found}" if found else "this machine has no CUDA GPU"
        raise QuartetError(
            f"trainer.devices: {options['devices']} GPUs asked for, {have}; "
            f"{'take fewer' if found else 'take trainer.accelerator=cpu'}"
        )
    if accelerator == "cpu" and options["precision"] == "16-mixed":
        raise QuartetError("trainer.precision: 16-mixed needs a GPU, there is none; take 32-true or bf16-mixed")
    return accelerator


def quiet() -> None:
    """Hush Lightning's greetings and hints, which are about loaders and loggers that are not used here, and DDP's
    remark that it copies the gradient of a kernel of one input channel, whose two orders of memory are the same."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")


def quiet_profiler() -> PassThroughProfiler:
    """Lightning asks 40 times a step to be profiled, and its profiler that does nothing makes a generator each time."""
    from pytorch_lightning.profilers import PassThroughProfiler

    class Quiet(PassThroughProfiler):
        nothing = nullcontext()

        def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
            return self.nothing

    return Quiet()
