"""Tune every experiment of a table with the same number of trials; the table then trains the settings that won.

    quartet tune FOLDER --trials 12

Each experiment gets a sweep over its net's space of conf/space/. The winners go to conf/tuned/, by which the table
trains them from then on (`quartet grid FOLDER`, `dvc repro`); FOLDER/tuned.json is a summary. The same command goes on
where it was interrupted.
"""

from __future__ import annotations

import argparse

from quartet.types import QuartetError
from quartet_app.cli import typed_path


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(
        prog="quartet tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = argument_parser.add_argument
    add("table", type=typed_path, help="a folder with params.yaml")
    add("--trials", type=int, default=12, help="of each experiment, the settings as they are included; by default 12")
    add("--only", metavar="EXPERIMENT,EXPERIMENT", default="", help="some of the table's experiments")
    add("--devices", type=int, help="trials at once; by default as many as fit on the machine")
    add("--address", help="a Ray cluster that shares this folder, or auto; by default this machine alone")
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_args(arguments)
    for key, least in (("trials", 2), ("devices", 1)):
        value = getattr(args, key)
        if value is not None and value < least:
            raise QuartetError(f"--{key}: given {value}, needs at least {least}")
    from quartet_app.choose.search import Place
    from quartet_app.choose.tune import tune

    only = [name for name in args.only.split(",") if name]
    print("\n".join(tune(args.table, trials=args.trials, only=only, place=Place(args.address, args.devices))))
