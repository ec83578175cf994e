"""Prepare data: fetch it, check it, and write the files that training maps into memory.

quartet prepare                     the data of every resolved experiment
quartet prepare fashion_mnist …     data sets by name
"""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(
        prog="quartet prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    argument_parser.add_argument("names", nargs="*", help="data sets, files of conf/data/")
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_args(arguments)
    from quartet_app.data.table import prepare

    prepare(args.names)
