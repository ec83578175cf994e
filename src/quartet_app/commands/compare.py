"""Compare evaluated runs: write a page, the same as Markdown and all numbers to `reports/`, and print a table."""

from __future__ import annotations

import argparse
from pathlib import Path

from quartet_app.cli import typed_path


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="quartet compare", description=__doc__)
    made.add_argument(
        "folders",
        type=typed_path,
        nargs="*",
        help="results/<experiment>/<seed>, or runs/…; by default all runs of params.yaml. Runs of one experiment with "
        "different settings get separate rows, as `cnn optimizer.lr=0.2`",
    )
    made.add_argument("--out", type=typed_path, default=Path("reports"))
    made.add_argument("--show", action="store_true", help="print the table only, and write nothing")
    made.add_argument("--register", action="store_true", help="register the best model of each task in MLflow")
    return made


def main(arguments: list[str]) -> None:
    chosen = parser().parse_args(arguments)
    from quartet_app.comparison.report import compare_folders

    lines = compare_folders(chosen.folders, out=chosen.out, show=chosen.show, register=chosen.register)
    print("\n".join(lines).rstrip())
