"""Find prepared data sets, and prepare missing ones. A data set is identified by its recipe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from quartet.types import QuartetError, check_name
from quartet_app.config.project import store_folder
from quartet_app.config.signatures import constants
from quartet_app.config.trust import may_import
from quartet_app.data.content import SEEN, check_content
from quartet_app.files import read_json

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
    _check_kind(folder, data)
    check_content(folder, seen=OTHERS / SEEN, full=full)
    return folder


def _check_kind(folder: Path, data: dict[str, Any]) -> None:
    """Refuse prepared data, which may come from somebody else, of a kind that neither its source nor conf/ names."""
    from quartet.data.loading.kinds import SHIPPED

    kind = read_json(folder / "manifest.json").get("kind")
    if kind not in SHIPPED and kind != constants(data["source"]["_target_"]).get("KIND") and not may_import(kind):
        raise QuartetError(
            f"{folder}/manifest.json: kind: given {kind!r}, which your own conf/ does not name\n"
            "if the data set is yours, name its source in a file of conf/data/; else delete the folder"
        )


def find(data: dict[str, Any]) -> Path | None:
    """Return the folder where the data set is prepared already, None where `ensure` would prepare it."""
    from quartet.data import is_prepared

    recipe = recipe_of(data)
    found = next((folder for folder in candidate_folders(data) if is_prepared(folder, recipe)), None)
    if found is not None:
        _check_kind(found, data)
    return found


def candidate_folders(data: dict[str, Any]) -> tuple[Path, Path]:
    """Return the two folders where the data set may lie: in TABLE, and in OTHERS below the digest of its recipe."""
    check_name(data["name"], "data.name")
    digest = hashlib.sha256(json.dumps(recipe_of(data), sort_keys=True).encode()).hexdigest()[:8]
    return TABLE / data["name"], OTHERS / digest / data["name"]
