"""Make a table: a folder with params.yaml and a dvc.yaml, the project's graph with paths relative to the folder."""

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

PROJECT_FOLDERS = re.compile(r"(?<![\w./])(conf|pipelines|src)(?=[/,\]\s])")  # as dvc.yaml names them
PATH_KEYS = ("data.source.folder", "data.source.file", "data.source.mirror")
GENERATED_FOLDERS = ("build", "data", "results", "reports", "runs")
PARAMS = """\
# A table of its own; the project's params.yaml explains the keys.
experiments: {experiments}
seeds: [0, 1, 2]
profile: laptop
overrides: {overrides}
"""


def table_graph(folder: Path) -> str:
    """Return the project's dvc.yaml with its paths changed for a table in `folder`."""
    up = Path(os.path.relpath(REPOSITORY, folder)).as_posix()
    return PROJECT_FOLDERS.sub(rf"{up}/\1", (REPOSITORY / "dvc.yaml").read_text())


def relative_override(folder: Path, override: str) -> str:
    """Return an override for a table in `folder`: an existing relative path is changed to be relative to the folder."""
    key, _, value = override.partition("=")
    path = Path(value).expanduser()
    is_path = key in PATH_KEYS and not path.is_absolute() and path.exists()
    return f"{key}={Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()}" if is_path else override


def make_table(folder: Path, experiments: list[str], overrides: list[str]) -> None:
    """Write a table's dvc.yaml, its .gitignore and, if there is none, its params.yaml.

    QuartetError, before anything is written, for a folder outside the project or a mistake in the arguments.
    """
    if folder.resolve() == REPOSITORY or not folder.resolve().is_relative_to(REPOSITORY):
        raise QuartetError(f"{folder}: a table is a folder within {REPOSITORY}; DVC looks after no other")
    for name in experiments:
        if name not in options("experiment"):
            raise QuartetError(f"{name}: no such experiment; {did_you_mean(name, options('experiment'))}")
    params = folder / "params.yaml"
    if params.exists() and (experiments or overrides):
        raise QuartetError(f"{params} is there already\nedit its experiments, or name another folder")
    if not params.exists() and not experiments:
        raise QuartetError(f"{folder}: no experiments given; some of {', '.join(options('experiment'))}")
    for name in experiments:  # refuse a mistake before anything is written
        origin(config_of([f"experiment={name}", *overrides])["data"])
    folder.mkdir(parents=True, exist_ok=True)
    if not params.exists():
        listed = json.dumps([relative_override(folder, override) for override in overrides])
        by_experiment = "".join(f"\n  {name}: {listed}" for name in experiments) if overrides else "{}"
        write_text(params, PARAMS.format(experiments=json.dumps(experiments), overrides=by_experiment))
    write_text(folder / ".gitignore", "".join(f"/{name}/\n" for name in GENERATED_FOLDERS))
    write_text(folder / "dvc.yaml", table_graph(folder))
