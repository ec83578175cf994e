"""Build a worker's trainer: Lightning's, with checkpoints, a record of the curves, and DDP for several devices."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.config.resolved import Config
from quartet_app.run.workers.local_workers import STORE

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from pytorch_lightning.profilers import PassThroughProfiler

    from quartet.methods.method import Method
    from quartet.methods.reporting import Reporting
    from quartet.tracking import Metrics


def build_trainer(
    config: Config, method: Method, folder: Path, metrics: Metrics | None, reporting: Reporting, *, ray: bool
) -> pl.Trainer:
    """Return the worker's trainer. It saves two checkpoints: the best by the task's monitor, and the last to resume."""
    import pytorch_lightning as pl

    from quartet_app.run.workers.checkpoint_files import WholeFiles

    quiet()
    options = config["trainer"]
    strategy, environment = find_strategy(method, ray=ray)
    launched = environment is not None
    prepare_modules(method, options, launched=launched)
    return pl.Trainer(
        # On Ray, each worker sees only its own GPU.
        accelerator=find_accelerator({**options, "devices": 1} if ray else options),
        devices="auto" if ray else options["devices"],
        strategy=strategy,
        plugins=[WholeFiles(), *([environment] if launched else [])],
        precision=options["precision"],
        deterministic=options["deterministic"],
        max_epochs=-1,  # the budget ends training
        num_sanity_val_steps=0,
        callbacks=callbacks(config, method, folder, metrics, reporting, launched=launched, ray=ray),
        logger=False,
        use_distributed_sampler=False,
        profiler=quiet_profiler(),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def prepare_modules(method: Method, options: Config, *, launched: bool) -> None:
    """Synchronise batch norms among `launched` workers, and compile networks, as the trainer's `options` ask."""
    import torch

    from quartet.nets import synchronise_batch_norm

    # Deterministic algorithms would also fill all new memory, which costs time and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if launched and options["sync_batch_norm"]:
        synchronise_batch_norm(method)
    if options["compile"]:
        for network in method.networks():
            network.compile()


def callbacks(
    config: Config,
    method: Method,
    folder: Path,
    metrics: Metrics | None,
    reporting: Reporting,
    *,
    launched: bool,
    ray: bool,
) -> list[pl.Callback]:
    """Return the callbacks in the order in which they must run: record, save the best and the last, report."""
    from pytorch_lightning.callbacks import ModelCheckpoint

    from quartet.methods.interruption import Interruptible
    from quartet.methods.recorder import Display, Recorder
    from quartet.methods.shared_memory import ShareMemory

    options = config["trainer"]
    saving: dict[str, Any] = {
        "dirpath": folder / "checkpoints",
        "save_on_train_epoch_end": True,
        "auto_insert_metric_name": False,
        "enable_version_counter": False,
    }
    best = ModelCheckpoint(filename="best", monitor=f"val/{method.task.MONITOR}", mode=method.task.MODE, **saving)
    # A second callback, because Lightning's `save_last` saves only after a new best.
    last = ModelCheckpoint(filename="last", monitor=None, **saving)
    shown = options["progress"] and os.environ.get("RANK", "0") == "0"
    display = Display(title=f"{config['experiment']} (seed {config['seed']})") if shown else None
    recorder = Recorder(every=options["log_every"], sink=metrics, display=display)
    found: list[pl.Callback] = [recorder, best, last, reporting]
    if launched:
        found.append(ShareMemory())
    if launched and not ray:
        found.append(Interruptible())
    return found


def find_strategy(method: Method, *, ray: bool) -> tuple[Any, Any]:
    """Return Lightning's strategy and cluster environment; ("auto", None) for a single process."""
    # Only batch norm has buffers. They are synchronised in the forward pass, or by the method before validation.
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
    """Return "cpu" or "gpu" for `trainer.accelerator`; QuartetError where this machine lacks the devices.

    `auto` never takes Apple's GPU: metrics are summed in float64, which it does not support.
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
    """Silence Lightning's messages and one warning of DDP.

    Lightning's hints are about loaders and loggers that are not used here. DDP warns of gradient strides for kernels
    with one input channel, whose two memory layouts are the same.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")


def quiet_profiler() -> PassThroughProfiler:
    """Return a profiler that costs nothing. Lightning's own makes a generator at each of its 40 calls a step."""
    from pytorch_lightning.profilers import PassThroughProfiler

    class Quiet(PassThroughProfiler):
        nothing = nullcontext()

        def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
            return self.nothing

    return Quiet()
