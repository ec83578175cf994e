"""One worker of a run: reads the resolved config from the run's folder, never composes, fits.

    python -m quartet_app.run.worker RUN_FOLDER DATA_FOLDER CONFIG_HASH

The driver starts it: in its own process for one device, as processes of this machine or by Ray Train for several.
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
from quartet_app.config.resolved import load_config
from quartet_app.run.build import build_data, build_method, describe_model
from quartet_app.run.checkpoints import load_checkpoint
from quartet_app.run.environment import threads, trained_on
from quartet_app.run.local_workers import INTERRUPTED, REFUSED, end_with_driver, join_workers
from quartet_app.run.trainer import build_trainer, find_accelerator

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # glibc's malloc.h

if TYPE_CHECKING:
    from quartet.methods.method import Method
    from quartet.tracking import Metrics


def fit(folder: Path, data_folder: Path, config_hash: str, *, start: Path | None = None, ray: bool = False) -> None:
    """Train, validate, keep the best; rank 0 leaves the results in `folder`. Goes on from the last checkpoint.

    `start` is a checkpoint to go on from in its place; `ray` says that Ray Train started this worker.
    """
    from hydra_plugins.quartet_ray_sweeper import report
    from quartet.methods.reporting import Reporting
    from quartet_app.run.checkpoint_files import LAST, newest_readable

    config = load_config(folder / "config.yaml")
    found = resolved.config_hash(config)
    if found != config_hash:
        raise QuartetError(f"{folder}/config.yaml has hash {found[:12]}, the driver composed {config_hash[:12]}")
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
    begun = start or agreed(newest_readable(folder / "checkpoints") if rank == 0 else None)
    try:
        if begun is None or not finished(begun, method):
            trainer.fit(method, datamodule=data, ckpt_path=None if begun is None else str(begun), weights_only=True)
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
        leave_results(folder, method, facts)
        described = describe_model(config, method.task, data)
        (folder / "model.json").write_text(json.dumps(described, ensure_ascii=False) + "\n", encoding="utf-8")


def finished(last: Path, method: Method) -> bool:
    """Return whether training had ended before the run was interrupted; if so, `method` gets back what it knew.

    The first rank alone looks and tells the others, who could see another file while one is being written.
    """
    checkpoint = load_checkpoint(last) if os.environ.get("RANK", "0") == "0" else None
    ended: bool = agreed(checkpoint is not None and checkpoint["quartet"]["finished"])
    if ended:
        method.on_load_checkpoint(checkpoint or load_checkpoint(last))
    return ended


def agreed(found: Any) -> Any:
    """Return what the first of the run's workers has `found`, to all of them."""
    import torch.distributed as dist

    if not dist.is_initialized() or dist.get_world_size() == 1:
        return found
    said = [found]
    dist.broadcast_object_list(said, src=0)
    return said[0]


def use_machine(options: dict[str, Any]) -> None:
    """Share the machine's cores among the workers on it, and keep the memory that was once asked for."""
    import torch

    keep_memory()
    torch.set_num_threads(threads(options["threads"], workers=int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def keep_memory() -> None:
    """Have glibc keep freed memory. By default it hands each large tensor back to the system and asks for a new one,
    whose pages are zeroed once more: a tenth of a training step on a CPU (mallopt(3))."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}.items():
            mallopt(option, value)


def attach(folder: Path, config: dict[str, Any]) -> Metrics:
    """Where metrics go beside the files: to the run that the driver opened, named in the folder's state."""
    from hydra.utils import instantiate

    state = json.loads((folder / "state.json").read_text())
    tracker = instantiate({**config["tracking"], **({"uri": state["tracking_uri"]} if state["tracking_uri"] else {})})
    return tracker.attach(state["mlflow_run_id"], unsent=folder / "unsent.csv")


def leave_results(folder: Path, method: Method, more: dict[str, Any]) -> None:
    """The chosen weights, what is known of the run, `more` of it, and its curves."""
    from safetensors.torch import save_model

    from quartet_app.run.checkpoint_files import load_best

    chosen = load_best(folder / "checkpoints")
    prefix = "model." if method.average is None else "average."
    weights = {key.removeprefix(prefix): value for key, value in chosen["state_dict"].items() if key.startswith(prefix)}
    kept = method.eval_model.cpu()
    kept.load_state_dict(weights)
    save_model(kept, str(folder / "model.safetensors"))
    row = min(method.history["val"], key=lambda row: abs(row["samples"] - chosen["quartet"]["samples"]))
    facts = {
        "metrics": {f"val/{name}": value for name, value in row.items() if name not in ("samples", "seconds")},
        "parameters": sum(parameter.numel() for parameter in kept.parameters()),
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
    (folder / "result.json").write_text(json.dumps(facts, indent=1))
    write_rows(folder / "train.csv", method.history["train"])
    # One column has the same name in every task, for plots that know of none.
    objective = [{**row, "objective": row[method.task.MONITOR]} for row in method.history["val"]]
    write_rows(folder / "val.csv", objective)


def device_name() -> str:
    import torch

    return str(torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu")


def write_rows(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as file:
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
    except KeyboardInterrupt:  # the driver says so
        sys.exit(INTERRUPTED)
