"""Say where data that is not prepared yet would come from."""

from __future__ import annotations

import os
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import signature
from quartet_app.data.prepared import DOWNLOADS


def origin(data: Config) -> str:
    """Where data that is not prepared yet would come from; nothing is asked for over the network. QuartetError where
    it is the user's own and is not there."""
    source = data["source"]
    for key in ("folder", "file"):
        if key in source and not Path(source[key]).expanduser().exists():
            raise QuartetError(f"data.source.{key}: there is no {source[key]}; give your own data's place")
    made = signature(source["_target_"])
    constants = made.constants if made else {}
    size, name = constants.get("FETCHED_MB", 0.0), constants.get("ORIGIN", data["name"])
    if not size:
        return f"to be prepared from {source.get('folder') or source.get('file') or name}"
    mirrors = [
        Path(root).expanduser() / data["name"]
        for root in (source.get("mirror"), os.environ.get("QUARTET_MIRROR"))
        if root
    ]
    near = [place for place in (DOWNLOADS / data["name"], *mirrors) if place.is_dir()]
    return f"to be prepared from {near[0]}" if near else f"to be fetched, {size:g} MB from {name}"
