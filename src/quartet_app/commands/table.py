"""Make a table: a folder with its own params.yaml and dvc.yaml.

    quartet table FOLDER EXPERIMENT … [KEY=VALUE …] [--axis KEY=VALUE,VALUE …]

Then run `quartet grid FOLDER`, or `cd FOLDER && dvc repro`. Each KEY=VALUE changes all experiments of the table. Each
--axis varies a setting: all experiments are trained with each of its values, and the report draws quality against it.
The table's data, runs, results and reports lie in the folder; MLflow's store is the project's.
"""

from __future__ import annotations

import argparse

from quartet_app.cli import typed_overrides, typed_path


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(
        prog="quartet table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    argument_parser.add_argument("folder", type=typed_path)
    argument_parser.add_argument(
        "overrides",
        metavar="EXPERIMENT|KEY=VALUE",
        nargs="*",
        help="its experiments and overrides; none where the folder has a params.yaml",
    )
    argument_parser.add_argument(
        "--axis",
        metavar="KEY=VALUE,VALUE",
        action="append",
        default=[],
        help="a setting to vary, as net.pool=average,stride; several of them cross",
    )
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_intermixed_args(arguments)
    from quartet_app.config.table.params import read_params
    from quartet_app.table.make import make_table

    overrides = typed_overrides([argument for argument in args.overrides if "=" in argument])
    make_table(args.folder, [argument for argument in args.overrides if "=" not in argument], overrides, args.axis)
    runs = "findings" if read_params(args.folder / "params.yaml").findings else "grid"
    print(f"{args.folder}: edit params.yaml, then quartet {runs} {args.folder}")
