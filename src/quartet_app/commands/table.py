"""Make a table of its own: a folder with params.yaml and a dvc.yaml for it, beside the project's.

    quartet table FOLDER EXPERIMENT … [KEY=VALUE …]

Then `quartet grid FOLDER`, or `cd FOLDER && dvc repro`. Each KEY=VALUE changes all of its experiments. What is built,
prepared, trained and reported lies in the folder, and MLflow's store stays the project's.
"""

from __future__ import annotations

import argparse

from quartet_app.cli import typed_overrides, typed_path


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="quartet table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("folder", type=typed_path)
    made.add_argument("words", nargs="*", help="its experiments, and KEY=VALUE; none where it has a params.yaml")
    return made


def main(arguments: list[str]) -> None:
    chosen = parser().parse_args(arguments)
    from quartet_app.table.make import make

    overrides = typed_overrides([word for word in chosen.words if "=" in word])
    make(chosen.folder, [word for word in chosen.words if "=" not in word], overrides)
    print(f"{chosen.folder}: edit params.yaml, then quartet grid {chosen.folder}")
