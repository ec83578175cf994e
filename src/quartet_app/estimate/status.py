"""What is there before a run starts: its data, and what was trained of it already."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from quartet_app.config.resolved import Config, config_hash
from quartet_app.files import read_json
from quartet_app.run.run_folder import Run

RESULTS = Path("results")
LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class RunStatus:
    """How far one experiment and seed is. `left`: the share of its budget that is still to be trained."""

    seed: int
    state: str  # done, resumes, trained (by hand), changed, unknown, new
    words: str
    left: float


def run_status(config: Config, data: Path | None, *, solved: bool = True) -> RunStatus:
    """What is left to train of `config` on the data prepared in `data`; `solved`, if it is matched already.

    A result counts as done by the fingerprint of what would run now: DVC's own status knows the configuration as it was
    composed last, and takes seconds. Where the code alone differs, DVC decides which of it matters.
    """
    seed, name = config["seed"], f"{config['experiment']}-{config['seed']}"
    result = RESULTS / str(config["experiment"]) / str(seed) / "train"
    facts = read_json(result / "run.json")
    run = Run(config, data) if data is not None else None
    if facts and not solved:
        return RunStatus(seed, "unknown", f"{result} is there; whether it is this run, its data will tell", 1.0)
    if facts and same(facts, run, config):
        return RunStatus(seed, "done", f"done: {result}", 0.0)
    if run is not None and run.done:
        return RunStatus(seed, "trained", f"trained: {run.folder}, by hand", 1.0)
    if run is not None and (run.folder / "checkpoints" / "last.ckpt").exists():
        used = progress(run)
        return RunStatus(seed, "resumes", f"goes on from {used:.0%}: {run.folder}", max(0.0, 1.0 - used))
    if facts:
        return RunStatus(seed, "changed", f"to train anew: {difference(facts, run, config)} than in {result}", 1.0)
    if f"train@{name}:" in (LOCK.read_text() if LOCK.exists() else ""):
        return RunStatus(seed, "new", f"not here, but {LOCK} knows {name}: dvc pull may bring it", 1.0)
    return RunStatus(seed, "new", "to train", 1.0)


def same(facts: dict[str, Any], run: Run | None, config: Config) -> bool:
    """Whether a result is what would be trained now; without its data, as far as its configuration tells."""
    if run is None or facts.get("config_hash") != config_hash(config) or facts.get("data_digest") != run.data_digest:
        return run is None and facts.get("config_hash") == config_hash(config)
    stage = f"train@{config['experiment']}-{config['seed']}"
    return facts.get("fingerprint") == run.fingerprint or stage in unchanged()


def difference(facts: dict[str, Any], run: Run | None, config: Config) -> str:
    if facts.get("config_hash") != config_hash(config):
        return "another configuration"
    return "other data" if run is not None and facts.get("data_digest") != run.data_digest else "other code"


@cache
def unchanged() -> set[str]:
    """The stages of dvc.lock that `dvc repro` would not run, as far as DVC can tell from what is composed."""
    if not LOCK.exists():
        return set()
    try:
        asked = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True)
    except OSError:  # DVC is not installed here
        return set()
    if asked.returncode != 0:
        return set()
    locked = {line.strip().rstrip(":") for line in LOCK.read_text().splitlines() if line.startswith("  train@")}
    return locked - set(json.loads(asked.stdout))


def progress(run: Run) -> float:
    """The share of its budget that an interrupted run has used, by its last checkpoint."""
    from quartet.budget import Budget, Spent
    from quartet_app.run.workers.checkpoints import load_checkpoint

    budget = Budget.parse(run.config["budget"])
    kept = load_checkpoint(run.folder / "checkpoints" / "last.ckpt")["quartet"]
    if kept["finished"]:
        return 1.0
    from quartet_app.run.build import build_data, build_method

    data = build_data(run.config, run.data)
    flops = 0.0
    if budget.unit == "flops":
        flops = build_method(run.config, data).count_flops(data.typical_batch())
    return budget.used(Spent(kept["samples"], kept["steps"], data.examples["train"], flops, kept["seconds"]))
