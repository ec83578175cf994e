"""Prepare data: fetch, check, and write what training maps into memory.

    python pipelines/prepare.py                    the data of every resolved experiment (the DVC stage)
    python pipelines/prepare.py fashion_mnist …    data sets by name

A data set is identified by its recipe: what is there already with the same recipe is kept.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from pipelines import cli, configuration
from pipelines.configuration import home
from quartet.types import QuartetError

TABLE = Path("data")  # the data sets of params.yaml's experiments, a DVC output
OTHERS = Path("runs/data")  # those of runs started by hand
DOWNLOADS = home() / "runs/downloads"


def recipe_of(data: dict[str, Any]) -> dict[str, Any]:
    """What the prepared files depend on: a mirror says where from, not what."""
    return {key: value for key, value in data["source"].items() if key != "mirror"}


def ensure(data: dict[str, Any], *, table: bool = False) -> Path:
    """The folder of the prepared data set of a resolved tree's `data`, preparing it if need be.

    Looks among the experiments of params.yaml first. `table` prepares it there, else it goes beside the runs, so that
    a run by hand never changes a DVC output.
    """
    from hydra.utils import instantiate

    from quartet.data import is_prepared, prepare

    recipe = recipe_of(data)
    shared, own = places(data)
    folder = shared if table or is_prepared(shared, recipe) else own
    if not is_prepared(folder, recipe):
        source = instantiate(data["source"])
        prepare(name=data["name"], source=source, recipe=recipe, root=folder.parent, downloads=DOWNLOADS)
    return folder


def find(data: dict[str, Any]) -> Path | None:
    """The folder where `ensure` would find the data set prepared, None where it would prepare it."""
    from quartet.data import is_prepared

    recipe = recipe_of(data)
    return next((folder for folder in places(data) if is_prepared(folder, recipe)), None)


def places(data: dict[str, Any]) -> tuple[Path, Path]:
    """Where the data set may be: among the experiments of params.yaml, and beside the runs, where its recipe is in the
    name."""
    digest = hashlib.sha256(json.dumps(recipe_of(data), sort_keys=True).encode()).hexdigest()[:8]
    return TABLE / data["name"], OTHERS / digest / data["name"]


def stage(arguments: list[str]) -> None:
    """Prepare what `compose` has resolved; leave each experiment a note of its data's digest, which training depends
    on, so that one data set's change does not retrain what uses another."""
    resolved = sorted(Path("build/data").glob("*.yaml"))
    if not resolved:
        raise QuartetError("build/data: nothing is resolved here\nrun pipelines/compose.py first, or name data sets")
    wanted = {path.stem: configuration.load(path) for path in resolved}
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
        print(ensure(configuration.compose_group("data", name)))


if __name__ == "__main__":
    cli.run(by_name if len(sys.argv) > 1 else stage, sys.argv[1:])
