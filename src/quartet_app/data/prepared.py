"""Find prepared data sets, and prepare those that are not there: each is identified by its recipe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from quartet_app.config.project import store_folder

TABLE = Path("data")  # the data sets of params.yaml's experiments, a DVC output
OTHERS = Path("runs/data")  # those of runs started by hand
DOWNLOADS = store_folder() / "runs/downloads"


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
