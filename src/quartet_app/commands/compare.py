"""Compare evaluated runs: print a table, and write a page, the same page as Markdown, and all numbers to `reports/`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.cli import typed_path


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    argument_parser = argparse.ArgumentParser(prog="quartet compare", description=__doc__)
    argument_parser.add_argument(
        "folders",
        type=typed_path,
        nargs="*",
        help="results/<experiment>/<seed>, or runs/…; by default all runs of params.yaml. Runs of one experiment with "
        "different settings get separate rows, as `cnn optimizer.lr=0.2`",
    )
    argument_parser.add_argument("--out", type=typed_path, default=Path("reports"))
    argument_parser.add_argument("--show", action="store_true", help="print the table only, and write nothing")
    argument_parser.add_argument(
        "--register", action="store_true", help="register the best model of each task in MLflow"
    )
    argument_parser.add_argument(
        "--price", type=typed_price, help="of an hour of the machine: says what each training costs, as --price 2.5"
    )
    return argument_parser


def typed_price(text: str) -> float:
    """Return a price of the command line; QuartetError for what is no number above 0."""
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not (price > 0 and math.isfinite(price)):
        raise QuartetError(f"--price {text}: no price; give a number above 0, as --price 2.5")
    return price


def main(arguments: list[str]) -> None:
    """Run `quartet compare`."""
    args = parser().parse_args(arguments)
    from quartet_app.comparison.report import compare_folders

    lines = compare_folders(args.folders, out=args.out, show=args.show, register=args.register, price=args.price)
    print("\n".join(lines).rstrip())
