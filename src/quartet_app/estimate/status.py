"""Find out what of a run exists before it starts: a result, a finished run, or a checkpoint to go on from."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from quartet_app.config.resolved import Config, config_hash
from quartet_app.config.table.params import address
from quartet_app.files import STAGES, read_json
from quartet_app.run.run_folder import Run

RESULTS = Path("results")
LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class RunStatus:
    """Describe how far the training of one seed has come.

    `words` describes `state` for a person. `left` is the share of the budget, from 0 to 1, that is still to be trained.
    """

    seed: int
    state: str  # done, resumes, trained (outside the table), changed, unknown, new
    words: str
    left: float


def run_status(config: Config, data: Path | None, *, solved: bool = True) -> RunStatus:
    """Return how far `config` is trained.

    A result is done where its fingerprint is that of the run that would start now. DVC's own status is not enough: it
    knows only the configuration that was composed last, and takes seconds. Where only the code differs, DVC decides
    whether the difference matters.

    Args:
        data: the folder of the prepared data; None where it is not prepared.
        solved: False where `match` is set and the width of the net is not solved yet.
    """
    seed, name = config["seed"], f"{config['experiment']}-{config['seed']}"
    result = RESULTS / str(config["experiment"]) / str(seed) / "train"
    facts = read_json(result / "run.json")
    run = Run(config, data) if data is not None else None
    if facts and not solved:
        return RunStatus(seed, "unknown", f"{result} exists; only its data show whether it is this run", 1.0)
    if facts and same(facts, run, config):
        return RunStatus(seed, "done", f"done: {result}", 0.0)
    if run is not None and run.done:
        return RunStatus(seed, "trained", f"trained by hand: {run.folder}", 1.0)
    if run is not None and (run.folder / "checkpoints" / "last.ckpt").exists():
        used = progress(run)
        return RunStatus(seed, "resumes", f"goes on from {used:.0%}: {run.folder}", max(0.0, 1.0 - used))
    if facts:
        return RunStatus(seed, "changed", f"to train again: {difference(facts, run, config)} than in {result}", 1.0)
    if stage_of(config) in locked():
        return RunStatus(seed, "new", f"not here, but {LOCK} knows {name}: dvc pull may bring it", 1.0)
    return RunStatus(seed, "new", "to train", 1.0)


def same(facts: dict[str, Any], run: Run | None, config: Config) -> bool:
    """Return True where a result, by the `facts` of its run.json, is that of the run that would start now.

    `run` is None where the data is not prepared; then the configuration alone decides.
    """
    if run is None or facts.get("config_hash") != config_hash(config) or facts.get("data_digest") != run.data_digest:
        return run is None and facts.get("config_hash") == config_hash(config)
    return facts.get("fingerprint") == run.fingerprint or stage_of(config) in unchanged()


def stage_of(config: Config) -> str:
    """Return DVC's name for the stage that trains `config` in the table of this folder."""
    apart = (Path(STAGES) / config["experiment"]).is_dir()
    return address("train", config["experiment"], config["seed"], apart=apart)


def difference(facts: dict[str, Any], run: Run | None, config: Config) -> str:
    """Return what differs between a result and the run that would start now: configuration, data or code."""
    if facts.get("config_hash") != config_hash(config):
        return "another configuration"
    return "other data" if run is not None and facts.get("data_digest") != run.data_digest else "other code"


def locked() -> set[str]:
    """Return the train stages that DVC has a result of, by the lock files of the table in this folder."""
    return {
        f"{lock.with_suffix('.yaml').as_posix()}:{stage}" if lock.parent.name else stage
        for lock in (LOCK, *Path(STAGES).glob(f"*/{LOCK}"))
        if lock.exists()
        for stage in re.findall(r"^  (train@.*):$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    }


@cache
def unchanged() -> set[str]:
    """Return the train stages with a result that `dvc repro` would not run again.

    DVC compares with the configuration in build/, which may be older than conf/ and params.yaml.
    """
    if not locked():
        return set()
    try:
        status = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True)
    except OSError:  # DVC is not installed here
        return set()
    return locked() - set(json.loads(status.stdout)) if status.returncode == 0 else set()


def progress(run: Run) -> float:
    """Return the share of its budget, from 0 to 1, that an interrupted run has used by its last checkpoint."""
    from quartet.budget import Budget, Spent
    from quartet_app.run.workers.checkpoints import load_checkpoint

    budget = Budget.parse(run.config["budget"])
    saved = load_checkpoint(run.folder / "checkpoints" / "last.ckpt")["quartet"]
    if saved["finished"]:
        return 1.0
    from quartet_app.run.build import build_data, build_method

    data = build_data(run.config, run.data)
    flops = 0.0
    if budget.unit == "flops":
        flops = build_method(run.config, data).count_flops(data.typical_batch())
    return budget.used(Spent(saved["samples"], saved["steps"], data.examples["train"], flops, saved["seconds"]))
