"""Describe where the data of a run would come from when it is prepared."""

from __future__ import annotations

from pathlib import Path

from quartet.types import QuartetError
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import signature
from quartet_app.data.prepared import DOWNLOADS


def origin(data: Config) -> str:
    """Return where unprepared data would come from, as "to be fetched, 30 MB from …". Does not use the network.

    Raises QuartetError where the user's own folder or file does not exist.
    """
    source = data["source"]
    for key in ("folder", "file"):
        if key in source and not Path(source[key]).expanduser().exists():
            raise QuartetError(f"data.source.{key}: there is no {source[key]}; give the path of your own data")
    definition = signature(source["_target_"])
    constants = definition.constants if definition else {}
    size, name = constants.get("FETCHED_MB", 0.0), constants.get("ORIGIN", data["name"])
    if not size:
        return f"to be prepared from {source.get('folder') or source.get('file') or name}"
    from quartet.data.preparing.fetch import mirrors

    folders = [DOWNLOADS / data["name"], *mirrors(source.get("mirror"), data["name"])]
    local = [folder for folder in folders if folder.is_dir()]
    return f"to be prepared from {local[0]}" if local else f"to be fetched, {size:g} MB from {name}"
