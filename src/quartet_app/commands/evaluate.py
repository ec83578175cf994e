"""Evaluate a trained run on the test split. No other command reads that split."""

from __future__ import annotations

import argparse

from quartet_app.cli import typed_path


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    argument_parser = argparse.ArgumentParser(prog="quartet evaluate", description=__doc__)
    argument_parser.add_argument("folder", type=typed_path, help="runs/… or results/<experiment>/<seed>/train")
    argument_parser.add_argument("--out", type=typed_path, help="folder for the results; by default FOLDER/evaluate")
    argument_parser.add_argument(
        "--no-costs",
        action="store_true",
        help="do not measure what serving costs, as on a busy machine; QUARTET_COSTS=0 does the same everywhere",
    )
    return argument_parser


def main(arguments: list[str]) -> None:
    """Run `quartet evaluate`."""
    args = parser().parse_args(arguments)
    from quartet_app.run.evaluate import evaluate

    evaluate(args.folder, out=args.out or args.folder / "evaluate", costs=False if args.no_costs else None)
