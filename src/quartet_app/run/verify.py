"""Check that a finished run's files are still as training wrote them, before a number is taken from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartet.data.preparing.fetch import sha256
from quartet.types import QuartetError
from quartet_app.config.resolved import config_hash, load_config
from quartet_app.files import read_record

WEIGHTS = "model.safetensors"


def run_facts(folder: Path) -> dict[str, Any]:
    """Return the content of a finished run's run.json; QuartetError where it is damaged or another program's."""
    path = folder / "run.json"
    facts = read_record(path, remedy=f"train the run again; without {path} it counts as unfinished")
    missing = {"experiment", "seed", "metrics", "data_digest", "config_hash"} - facts.keys()
    if missing:
        raise QuartetError(f"{path}: damaged (it lacks {min(missing)})\ntrain the run again")
    return facts


def verify_run(folder: Path) -> dict[str, Any]:
    """Return the facts of the finished run in `folder`; QuartetError where configuration or weights were changed."""
    facts = run_facts(folder)
    now = config_hash(load_config(folder / "config.yaml"))
    if now != facts["config_hash"]:
        raise QuartetError(
            f"{folder}/config.yaml was changed after training: its hash is {now[:12]}, the run's "
            f"{facts['config_hash'][:12]}\n{remedy(facts)}"
        )
    verify_weights(folder, facts)
    return facts


def verify_weights(folder: Path, facts: dict[str, Any]) -> None:
    """Raise QuartetError where the weights in `folder` are not those that the `facts` name.

    Accepts weights of early runs, which recorded no SHA-256, and a folder without weights.
    """
    path, written = folder / WEIGHTS, facts.get("weights_sha256")
    if not written or not path.exists():
        return
    now = sha256(path)
    if now != written:
        raise QuartetError(
            f"{path} was changed after training: its SHA-256 is {now[:12]}, the run's {written[:12]}\n{remedy(facts)}"
        )


def remedy(facts: dict[str, Any]) -> str:
    """Return the second line of a refusal: the command that trains the run again, where it is known."""
    command = facts.get("command")
    return "put the file back as it was, or train the run again" + (f": {command}" if command else "")
