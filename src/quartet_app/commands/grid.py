"""Run a whole table, several runs at once. Each run is trained and evaluated through DVC; then all are compared.

    quartet grid grid                     as many runs at once as there are GPUs, or cores
    quartet grid grid --jobs 1            one after another
    quartet grid grid --ray auto          spread over a Ray cluster whose machines share this folder

Runs whose results DVC has are not run again. An interrupted run resumes from its last checkpoint. Ctrl-C ends the
current runs as it ends a single one; a second Ctrl-C kills them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.cli import typed_path


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(
        prog="quartet grid", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    argument_parser.add_argument(
        "table", type=typed_path, nargs="?", default=Path(), help="a folder with params.yaml and dvc.yaml"
    )
    argument_parser.add_argument(
        "--jobs", type=int, help="runs at once on this machine; by default the number of GPUs, or cores"
    )
    argument_parser.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster that shares this folder (or auto), or local"
    )
    argument_parser.add_argument("--cpus", type=int, help="CPUs for each device on a Ray cluster; by default 1")
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_args(arguments)
    for key, value in (("--jobs", args.jobs), ("--cpus", args.cpus)):
        if value is not None and value < 1:
            raise QuartetError(f"{key}: given {value}, needs at least 1")
    if args.ray and args.jobs:
        raise QuartetError(f"--jobs: given {args.jobs} with --ray, where Ray decides how many run; leave it out")
    if args.cpus and not args.ray:
        raise QuartetError(f"--cpus: given {args.cpus} without --ray; on this machine alone, give --jobs")
    from quartet_app.table.grid import run_table

    run_table(args.table, jobs=args.jobs, ray=args.ray, cpus=args.cpus or 1)
