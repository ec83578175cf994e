"""Prepare the data of a table's experiments, or data sets by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.config.composing import compose_group
from quartet_app.config.resolved import load_config
from quartet_app.data.prepared import TABLE, ensure


def prepare(names: list[str]) -> None:
    """Prepare the data sets of these names, or those of all resolved experiments: the DVC stage `prepare`."""
    if names:
        by_name(names)
    else:
        prepare_table()


def prepare_table() -> None:
    """Prepare what `compose` has resolved; leave each experiment a note of its data's digest, which training depends
    on, so that one data set's change does not retrain what uses another."""
    resolved = sorted(Path("build/data").glob("*.yaml"))
    if not resolved:
        raise QuartetError("build/data: nothing is resolved here\nquartet compose first, or name data sets")
    wanted = {path.stem: load_config(path) for path in resolved}
    TABLE.mkdir(exist_ok=True)
    for experiment, data in wanted.items():
        folder = ensure(data, table=True)
        manifest = json.loads((folder / "manifest.json").read_text())
        note = {"data": data["name"], "digest": manifest["digest"], "recipe": manifest["recipe"]}
        (TABLE / f"{experiment}.json").write_text(json.dumps(note, indent=1, sort_keys=True) + "\n")
    remove_stale(names={data["name"] for data in wanted.values()}, experiments=set(wanted))


def remove_stale(*, names: set[str], experiments: set[str]) -> None:
    """Delete the data sets and notes that were made here and that no experiment uses any more, and nothing else."""
    for manifest in TABLE.glob("*/manifest.json"):
        if manifest.parent.name not in names and {"digest", "recipe", "files"} <= keys_of(manifest):
            shutil.rmtree(manifest.parent)
    for note in TABLE.glob("*.json"):
        if note.stem not in experiments and keys_of(note) == {"data", "digest", "recipe"}:
            note.unlink()


def keys_of(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_text())
    except ValueError:
        return set()
    return set(content) if isinstance(content, dict) else set()


def by_name(names: list[str]) -> None:
    for name in names:
        print(ensure(compose_group("data", name)))
