"""Train in one worker of a run. It reads the resolved config from the run's folder and never composes.

    python -m quartet_app.run.worker RUN_FOLDER DATA_FOLDER CONFIG_HASH

For one device, the driver calls `fit` in its own process; for several, torch's elastic launcher or Ray Train does.
"""

from __future__ import annotations

import csv
import ctypes
import json
import logging
import os
import platform
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.config import resolved
from quartet_app.config.resolved import load_config
from quartet_app.run.build import build_data, build_method, describe_model
from quartet_app.run.checkpoints import load_checkpoint
from quartet_app.run.environment import threads, trained_on

REFUSED = 2  # the exit code of a refusal (QuartetError); other errors exit with 1
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # option numbers from glibc's malloc.h

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from pytorch_lightning.profilers import PassThroughProfiler

    from quartet.methods.method import Method
    from quartet.methods.reporting import Reporting
    from quartet.tracking import Metrics


def fit(folder: Path, data_folder: Path, config_hash: str, *, start: Path | None = None, ray: bool = False) -> None:
    """Train and validate, from the last checkpoint if there is one; rank 0 writes the results to `folder`.

    Args:
        folder: the run's folder, with config.yaml.
        data_folder: the prepared data set.
        config_hash: the driver's hash of the configuration; QuartetError where config.yaml has another one.
        start: a checkpoint to start from instead of the run's last one.
        ray: True where Ray Train started this worker.
    """
    from hydra_plugins.quartet_ray_sweeper import report
    from quartet.methods.reporting import Reporting

    config = load_config(folder / "config.yaml")
    actual_hash = resolved.config_hash(config)
    if actual_hash != config_hash:
        raise QuartetError(f"{folder}/config.yaml has hash {actual_hash[:12]}, the driver composed {config_hash[:12]}")
    use_machine(config["trainer"])
    rank = int(os.environ.get("RANK", "0"))
    data = build_data(config, data_folder)
    method = build_method(config, data)
    data.clock = method
    method.count_flops(data.typical_batch())
    metrics = attach(folder, config) if rank == 0 else None
    last = folder / "checkpoints" / "last.ckpt"
    reporting = Reporting(lambda values, checkpoint: report(values, checkpoint=checkpoint), checkpoint=last)
    trainer = build_trainer(config, method, folder, metrics, reporting, ray=ray)
    last = start or last
    try:
        if not restore_finished(last, method):
            trainer.fit(method, datamodule=data, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    except SystemExit as stop:  # Lightning turns an interrupt into an exit
        raise KeyboardInterrupt from stop
    finally:
        if metrics is not None:
            metrics.close()
    if rank == 0:
        facts = {
            "devices": trainer.world_size,
            "stopped_early": reporting.stopped,
            "trained_on": trained_on(
                accelerator="cpu" if trainer.strategy.root_device.type == "cpu" else "gpu",
                devices=trainer.world_size,
                precision=str(trainer.precision),
            ),
        }
        write_results(folder, method, folder / "checkpoints" / "best.ckpt", facts)
        described = describe_model(config, method.task, data)
        (folder / "model.json").write_text(json.dumps(described, ensure_ascii=False) + "\n", encoding="utf-8")


def restore_finished(last: Path, method: Method) -> bool:
    """Return True where training had ended before an interruption; restores `method` from the checkpoint then."""
    if not last.exists():
        return False
    checkpoint = load_checkpoint(last)
    if checkpoint["quartet"]["finished"]:
        method.on_load_checkpoint(checkpoint)
    return checkpoint["quartet"]["finished"]


def build_trainer(
    config: dict[str, Any], method: Method, folder: Path, metrics: Metrics | None, reporting: Reporting, *, ray: bool
) -> pl.Trainer:
    """Return the worker's trainer. It saves two checkpoints: the best by the task's monitor, and the last to resume."""
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.callbacks import ModelCheckpoint

    from quartet.methods.interruption import Interruptible
    from quartet.methods.recorder import Display, Recorder
    from quartet.methods.shared_memory import ShareMemory
    from quartet.nets import synchronise_batch_norm

    quiet()
    options = config["trainer"]
    # On Ray, each worker sees only its own GPU.
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
    callbacks: list[pl.Callback] = [recorder, best, last, reporting]
    if launched:
        callbacks.append(ShareMemory())
    if launched and not ray:
        callbacks.append(Interruptible())
    return pl.Trainer(
        accelerator=accelerator,
        devices="auto" if ray else options["devices"],
        strategy=strategy,
        plugins=[environment] if environment is not None else None,
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
    from pytorch_lightning.plugins.environments import TorchElasticEnvironment
    from pytorch_lightning.strategies import DDPStrategy

    return (DDPStrategy(**ddp), TorchElasticEnvironment()) if TorchElasticEnvironment.detect() else ("auto", None)


def find_accelerator(options: dict[str, Any]) -> str:
    """Return "cpu" or "gpu" for `trainer.accelerator`; QuartetError where this machine lacks the devices.

    `auto` never takes Apple's GPU: metrics are summed in float64, which it does not support.
    """
    import torch

    gpus = torch.cuda.device_count()
    accelerator = {"auto": "gpu" if gpus else "cpu"}.get(options["accelerator"], options["accelerator"])
    if accelerator == "gpu" and gpus < options["devices"]:
        have = f"this machine has {gpus}" if gpus else "this machine has no CUDA GPU"
        raise QuartetError(
            f"trainer.devices: {options['devices']} GPUs asked for, {have}; "
            f"{'take fewer' if gpus else 'take trainer.accelerator=cpu'}"
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


def use_machine(options: dict[str, Any]) -> None:
    """Set the threads of this worker to its share of the machine's cores, and let glibc keep freed memory."""
    import torch

    keep_memory()
    torch.set_num_threads(threads(options["threads"], workers=int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def keep_memory() -> None:
    """Let glibc keep freed memory (mallopt(3)).

    By default it returns each large tensor's memory to the system and requests new, zeroed pages for the next one. On a
    CPU that costs a tenth of a training step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}.items():
            mallopt(option, value)


def attach(folder: Path, config: dict[str, Any]) -> Metrics:
    """Return the tracker's sink for metrics, for the run that the driver opened and named in state.json."""
    from hydra.utils import instantiate

    state = json.loads((folder / "state.json").read_text())
    tracker = instantiate({**config["tracking"], **({"uri": state["tracking_uri"]} if state["tracking_uri"] else {})})
    return tracker.attach(state["mlflow_run_id"], unsent=folder / "unsent.csv")


def write_results(folder: Path, method: Method, best: Path, more: dict[str, Any]) -> None:
    """Write the best checkpoint's weights, result.json with the facts in `more`, and the curves as CSV."""
    from safetensors.torch import save_model

    checkpoint = load_checkpoint(best)
    prefix = "model." if method.average is None else "average."
    state = checkpoint["state_dict"]
    weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    eval_model = method.eval_model.cpu()
    eval_model.load_state_dict(weights)
    save_model(eval_model, str(folder / "model.safetensors"))
    row = min(method.history["val"], key=lambda row: abs(row["samples"] - checkpoint["quartet"]["samples"]))
    facts = {
        "metrics": {f"val/{name}": value for name, value in row.items() if name not in ("samples", "seconds")},
        "parameters": sum(parameter.numel() for parameter in eval_model.parameters()),
        "flops": method.flops_per_sample,
        "samples_seen": method.samples,
        "samples_at_best": row["samples"],
        "steps": method.steps,
        "train_seconds": method.seconds,
        **more,
        "device": device_name(),
        "monitor": f"val/{method.task.MONITOR}",
        "mode": method.task.MODE,
    }
    (folder / "result.json").write_text(json.dumps(facts, indent=1))
    write_rows(folder / "train.csv", method.history["train"])
    # DVC's plots need one column that has the same name for every task.
    objective = [{**row, "objective": row[method.task.MONITOR]} for row in method.history["val"]]
    write_rows(folder / "val.csv", objective)


def device_name() -> str:
    """Return the name of the GPU, else that of the CPU."""
    import torch

    return str(torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu")


def write_rows(path: Path, rows: list[dict[str, float]]) -> None:
    """Write rows as CSV, with a column for each name that occurs in one of them."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run_folder, data_folder, config_hash = sys.argv[1:]
    try:
        fit(Path(run_folder), Path(data_folder), config_hash)
    except QuartetError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
