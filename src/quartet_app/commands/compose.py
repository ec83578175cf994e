"""Resolve params.yaml and conf/ into build/: one checked file for each experiment, with all its settings."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog="quartet compose", description=__doc__)


def main(arguments: list[str]) -> None:
    parser().parse_args(arguments)
    from quartet_app.config.table.resolve import compose_table

    compose_table()
