"""Find prepared data sets, and prepare missing ones. A data set is identified by its recipe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from quartet_app.config.project import store_folder
from quartet_app.data.content import SEEN, check_content

TABLE = Path("data")  # the data sets of params.yaml's experiments, a DVC output
OTHERS = Path("runs/data")  # data sets of runs that a person started without DVC
DOWNLOADS = store_folder() / "runs/downloads"


def recipe_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the prepared files depend on: all but the mirror, which holds the same files."""
    return {key: value for key, value in data["source"].items() if key != "mirror"}


def ensure(data: dict[str, Any], *, table: bool = False, full: bool = False) -> Path:
    """Return the folder of the prepared data set for a config's section `data`; prepares it where it is missing.

    Looks in TABLE first. A missing data set is prepared in TABLE with `table`, else in OTHERS, so that a run outside
    the table never changes an output of DVC. Raises QuartetError where its files were changed since: it reads those
    whose size or time is another one, and with `full` all.
    """
    from hydra.utils import instantiate

    from quartet.data import is_prepared, prepare

    recipe = recipe_of(data)
    shared, own = candidate_folders(data)
    folder = shared if table or is_prepared(shared, recipe) else own
    if not is_prepared(folder, recipe):
        source = instantiate(data["source"])
        prepare(name=data["name"], source=source, recipe=recipe, root=folder.parent, downloads=DOWNLOADS)
    check_content(folder, seen=OTHERS / SEEN, full=full)
    return folder


def find(data: dict[str, Any]) -> Path | None:
    """Return the folder where the data set is prepared already, None where `ensure` would prepare it."""
    from quartet.data import is_prepared

    recipe = recipe_of(data)
    return next((folder for folder in candidate_folders(data) if is_prepared(folder, recipe)), None)


def candidate_folders(data: dict[str, Any]) -> tuple[Path, Path]:
    """Return the two folders where the data set may lie: in TABLE, and in OTHERS below the digest of its recipe."""
    digest = hashlib.sha256(json.dumps(recipe_of(data), sort_keys=True).encode()).hexdigest()[:8]
    return TABLE / data["name"], OTHERS / digest / data["name"]
