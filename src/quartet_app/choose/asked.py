"""Note what a search is about, so that what it found is never taken for a search with other settings or data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.types import QuartetError
from quartet_app.config.options import option_file
from quartet_app.config.resolved import config_hash
from quartet_app.data.content import read_manifest
from quartet_app.data.prepared import ensure
from quartet_app.files import make_folder, read_json, write_text

if TYPE_CHECKING:
    from quartet_app.config.resolved import Config

ASKED = "asked.json"  # in a sweep's folder


def note_asked(folder: Path, config: Config, *, space: str, remedy: str, **more: Any) -> None:
    """Note in a sweep's folder what it searches: these settings, this space and these data, which are prepared.

    QuartetError with `remedy` where the folder holds a search of something else. `more`: what else the search depends
    on, as its budget.
    """
    path = option_file("space", space)
    now = {
        "settings": config_hash(config),
        "space": hashlib.sha256(path.read_bytes() if path else b"").hexdigest(),
        "data": read_manifest(ensure(config["data"]))["digest"],
        **more,
    }
    before = read_json(folder / ASKED)
    differing = [key for key, value in now.items() if before.get(key, value) != value]
    if differing:
        raise QuartetError(f"{folder}: holds a search with other {' and '.join(differing)}\n{remedy}")
    if before != now:
        make_folder(folder)
        write_text(folder / ASKED, json.dumps(now, indent=1) + "\n")
