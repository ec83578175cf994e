"""Train in one worker of a run. It reads the resolved config from the run's folder and never composes.

    python -m quartet_app.run.workers.worker RUN_FOLDER DATA_FOLDER CONFIG_HASH

For one device, the driver calls `fit` in its own process. For several devices it starts a process each, or Ray Train
does.
"""

from __future__ import annotations

import csv
import ctypes
import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.config import resolved
from quartet_app.config.resolved import Config, load_config
from quartet_app.files import read_record, refused_by_disk, whole_file, write_text
from quartet_app.run.build import build_data, build_method, describe_model
from quartet_app.run.environment import threads, trained_on
from quartet_app.run.unsent import UNSENT
from quartet_app.run.workers.checkpoints import load_checkpoint
from quartet_app.run.workers.local_workers import INTERRUPTED, REFUSED, end_with_driver, join_workers
from quartet_app.run.workers.trainer import build_trainer, find_accelerator

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # option numbers from glibc's malloc.h

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from quartet.methods.method import Method
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
    from quartet_app.run.workers.checkpoint_files import LAST, to_resume_from

    config = load_agreed_config(folder, config_hash)
    use_machine(config["trainer"])
    join_workers(gpu=find_accelerator({**config["trainer"], **({"devices": 1} if ray else {})}) == "gpu")
    rank = int(os.environ.get("RANK", "0"))
    data = build_data(config, data_folder)
    method = build_method(config, data)
    method.count_flops(data.typical_batch())
    metrics = attach(folder, config) if rank == 0 else None
    last = folder / "checkpoints" / LAST
    reporting = Reporting(lambda values, checkpoint: report(values, checkpoint=checkpoint), checkpoint=last)
    trainer = build_trainer(config, method, folder, metrics, reporting, ray=ray)
    begun = start or broadcast(to_resume_from(folder / "checkpoints") if rank == 0 else None)
    try:
        if begun is None or not restore_finished(begun, method):
            trainer.fit(method, datamodule=data, ckpt_path=None if begun is None else str(begun), weights_only=True)
    except SystemExit as stop:  # Lightning turns an interrupt into a SystemExit
        raise KeyboardInterrupt from stop
    finally:
        if metrics is not None:
            metrics.close()
    if rank == 0:
        write_results(folder, method, {"stopped_early": reporting.stopped, **hardware(trainer)})
        described = describe_model(config, method.task, data)
        write_text(folder / "model.json", json.dumps(described, ensure_ascii=False) + "\n")


def load_agreed_config(folder: Path, config_hash: str) -> Config:
    """Read the configuration in `folder`; QuartetError where its hash is not the driver's `config_hash`."""
    config = load_config(folder / "config.yaml")
    actual_hash = resolved.config_hash(config)
    if actual_hash != config_hash:
        raise QuartetError(f"{folder}/config.yaml has hash {actual_hash[:12]}, the driver composed {config_hash[:12]}")
    return config


def hardware(trainer: pl.Trainer) -> dict[str, Any]:
    """Return the number of devices that the trainer used, and what they are."""
    accelerator = "cpu" if trainer.strategy.root_device.type == "cpu" else "gpu"
    devices, precision = trainer.world_size, str(trainer.precision)
    return {
        "devices": devices,
        "trained_on": trained_on(accelerator=accelerator, devices=devices, precision=precision),
    }


def restore_finished(last: Path, method: Method) -> bool:
    """Return True, and restore `method`, where the checkpoint `last` says that training had ended already.

    Only rank 0 reads the file and sends the answer to the others: they could see another file during a write.
    """
    checkpoint = load_checkpoint(last) if os.environ.get("RANK", "0") == "0" else None
    ended: bool = broadcast(checkpoint is not None and checkpoint["quartet"]["finished"])
    if ended:
        method.on_load_checkpoint(checkpoint or load_checkpoint(last))
    return ended


def broadcast(value: Any) -> Any:
    """Return the first worker's `value` in all workers of the run."""
    import torch.distributed as dist

    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


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

    state = read_record(folder / "state.json", remedy="give the same command again")
    tracker = instantiate({**config["tracking"], **({"uri": state["tracking_uri"]} if state["tracking_uri"] else {})})
    return tracker.attach(state["mlflow_run_id"], unsent=folder / UNSENT)


def write_results(folder: Path, method: Method, more: dict[str, Any]) -> None:
    """Write the best checkpoint's weights, result.json with the facts in `more`, and the curves as CSV."""
    from quartet_app.run.workers.checkpoint_files import load_best, save_weights

    checkpoint = load_best(folder / "checkpoints")
    prefix = "model." if method.average is None else "average."
    state = checkpoint["state_dict"]
    weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    eval_model = method.eval_model.cpu()
    eval_model.load_state_dict(weights)
    save_weights(eval_model, folder / "model.safetensors")
    row = min(method.history["val"], key=lambda row: abs(row["samples"] - checkpoint["quartet"]["samples"]))
    facts = {
        "metrics": {f"val/{name}": value for name, value in row.items() if name not in ("samples", "seconds")},
        "parameters": sum(parameter.numel() for parameter in eval_model.parameters()),
        "flops": method.clock.flops_per_sample,
        "samples_seen": method.clock.samples,
        "samples_at_best": row["samples"],
        "steps": method.clock.steps,
        "train_seconds": method.clock.seconds,
        **more,
        "device": device_name(),
        "monitor": f"val/{method.task.MONITOR}",
        "mode": method.task.MODE,
    }
    write_text(folder / "result.json", json.dumps(facts, indent=1))
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
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    end_with_driver()
    run_folder, data_folder, config_hash = sys.argv[1:]
    try:
        fit(Path(run_folder), Path(data_folder), config_hash)
    except QuartetError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
    except OSError as error:
        refusal = refused_by_disk(error)
        if refusal is None:
            raise
        print(refusal, file=sys.stderr)
        sys.exit(REFUSED)
    except KeyboardInterrupt:  # no message here: the driver prints it
        sys.exit(INTERRUPTED)
