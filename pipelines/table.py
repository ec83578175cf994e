"""Make a table of its own: a folder with params.yaml and a dvc.yaml for it, beside the project's.

python pipelines/table.py FOLDER EXPERIMENT …      then: cd FOLDER && dvc repro, or python pipelines/grid.py FOLDER

The graph is the project's, with its paths as they are seen from the folder; what is built, prepared, trained and
reported lies in the folder, and MLflow's store stays the project's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

from pipelines import cli
from pipelines.configuration import REPOSITORY, cell, options
from pipelines.refusals import did_you_mean
from pipelines.run import write
from quartet.types import QuartetError

OURS = re.compile(r"(?<![\w./])(conf|pipelines|src)(?=[/,\]\s])")  # where dvc.yaml names them
MADE = ("build", "data", "results", "reports", "runs")
PARAMS = """\
# A table of its own; what the keys mean is said in the project's params.yaml.
experiments: {experiments}
seeds: [0, 1, 2]
profile: laptop
overrides: {{}}
"""


def graph(folder: Path) -> str:
    """The project's dvc.yaml for a table in `folder`."""
    up = Path(os.path.relpath(REPOSITORY, folder)).as_posix()
    return OURS.sub(rf"{up}/\1", (REPOSITORY / "dvc.yaml").read_text())


def make(folder: Path, experiments: list[str]) -> None:
    """Write the folder's graph anew, and its params.yaml if there is none."""
    if folder.resolve() == REPOSITORY or not folder.resolve().is_relative_to(REPOSITORY):
        raise QuartetError(f"{folder}: a table is a folder within {REPOSITORY}; DVC looks after no other")
    for name in experiments:
        if name not in options("experiment") and not cell(name):
            raise QuartetError(f"{name}: no such experiment; {did_you_mean(name, options('experiment'))}")
    params = folder / "params.yaml"
    if params.exists() and experiments:
        raise QuartetError(f"{params} is there already\nedit its experiments, or name another folder")
    if not params.exists() and not experiments:
        raise QuartetError(f"{folder}: no experiments given; some of {', '.join(options('experiment'))}")
    folder.mkdir(parents=True, exist_ok=True)
    if not params.exists():
        write(params, PARAMS.format(experiments=json.dumps(experiments)))
    write(folder / ".gitignore", "".join(f"/{name}/\n" for name in MADE))
    write(folder / "dvc.yaml", graph(folder))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="table.py", description="Make a table of its own: params.yaml and dvc.yaml.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("experiments", nargs="*", help="its rows; none where the folder has a params.yaml already")
    chosen = parser.parse_args(arguments)
    make(chosen.folder, chosen.experiments)
    print(f"{chosen.folder}: edit params.yaml, then python pipelines/grid.py {chosen.folder}")


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
