"""Evaluate a trained run on the test split. No other command reads that split."""

from __future__ import annotations

import argparse

from quartet_app.cli import typed_path


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="quartet evaluate", description=__doc__)
    made.add_argument("folder", type=typed_path, help="runs/… or results/<experiment>/<seed>/train")
    made.add_argument("--out", type=typed_path, help="folder for the results; by default FOLDER/evaluate")
    return made


def main(arguments: list[str]) -> None:
    chosen = parser().parse_args(arguments)
    from quartet_app.run.evaluate import evaluate

    evaluate(chosen.folder, out=chosen.out or chosen.folder / "evaluate")
