"""Estimate what runs will take before anything is trained; show which are done and which cannot run.

quartet plan                                                    the table of params.yaml
quartet plan experiment=cnn net.width=48 trainer.devices=2      one run
quartet plan build/cnn.yaml seed=1                              one run, of a resolved file
"""

from __future__ import annotations

import argparse
import json

from quartet.types import QuartetError
from quartet_app.cli import typed_overrides


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(
        prog="quartet plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    argument_parser.add_argument(
        "overrides", nargs="*", help="experiment=… key=value, or build/….yaml; by default all runs of params.yaml"
    )
    argument_parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    argument_parser.add_argument("--no-measure", action="store_true", help="train no steps here, so estimate no time")
    argument_parser.add_argument("--prepare", action="store_true", help="prepare the data first; may fetch it")
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_intermixed_args(arguments)
    from quartet_app.estimate.plan import plan, shown

    rows = plan(typed_overrides(args.overrides), measure=not args.no_measure, prepare=args.prepare)
    print(json.dumps([row.facts() for row in rows], indent=1) if args.json else shown(rows))
    if refused := sum(row.impossible is not None for row in rows):
        raise QuartetError(f"{refused} of {len(rows)} cannot run")
