"""Make a table: a folder with params.yaml, and the project's graph with its paths as seen from there."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.config.composing import config_of
from quartet_app.config.options import options
from quartet_app.config.project import REPOSITORY
from quartet_app.data.origin import origin
from quartet_app.files import write_text
from quartet_app.near import did_you_mean

OURS = re.compile(r"(?<![\w./])(conf|pipelines|src)(?=[/,\]\s])")  # where dvc.yaml names them
PATHS = ("data.source.folder", "data.source.file", "data.source.mirror")
MADE = ("build", "data", "results", "reports", "runs")
PARAMS = """\
# A table of its own; what the keys mean is said in the project's params.yaml.
experiments: {experiments}
seeds: [0, 1, 2]
profile: laptop
overrides: {overrides}
"""


def graph(folder: Path) -> str:
    """The project's dvc.yaml for a table in `folder`."""
    up = Path(os.path.relpath(REPOSITORY, folder)).as_posix()
    return OURS.sub(rf"{up}/\1", (REPOSITORY / "dvc.yaml").read_text())


def seen_from(folder: Path, word: str) -> str:
    """KEY=VALUE as it is typed here, for a table in `folder`: a path that is there is written as seen from it."""
    key, _, value = word.partition("=")
    path = Path(value).expanduser()
    there = key in PATHS and not path.is_absolute() and path.exists()
    return f"{key}={Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()}" if there else word


def make(folder: Path, experiments: list[str], changes: list[str]) -> None:
    """Write the folder's graph anew, and its params.yaml if there is none."""
    if folder.resolve() == REPOSITORY or not folder.resolve().is_relative_to(REPOSITORY):
        raise QuartetError(f"{folder}: a table is a folder within {REPOSITORY}; DVC looks after no other")
    for name in experiments:
        if name not in options("experiment"):
            raise QuartetError(f"{name}: no such experiment; {did_you_mean(name, options('experiment'))}")
    params = folder / "params.yaml"
    if params.exists() and (experiments or changes):
        raise QuartetError(f"{params} is there already\nedit its experiments, or name another folder")
    if not params.exists() and not experiments:
        raise QuartetError(f"{folder}: no experiments given; some of {', '.join(options('experiment'))}")
    for name in experiments:  # a mistake is said before anything is written
        origin(config_of([f"experiment={name}", *changes])["data"])
    folder.mkdir(parents=True, exist_ok=True)
    if not params.exists():
        words = json.dumps([seen_from(folder, word) for word in changes])
        overrides = "".join(f"\n  {name}: {words}" for name in experiments) if changes else "{}"
        write_text(params, PARAMS.format(experiments=json.dumps(experiments), overrides=overrides))
    write_text(folder / ".gitignore", "".join(f"/{name}/\n" for name in MADE))
    write_text(folder / "dvc.yaml", graph(folder))
