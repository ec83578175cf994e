"""Trace a run: show what it was made of and what was made of it, repeat it and compare, or deliver it to MLflow.

    quartet trace X [--config] [--diff] [--json]
    quartet trace --repeat X [--anyway]      exit code 0: the same to the bit; 1: different; 2: not compared
    quartet trace --send X                   deliver to MLflow what did not reach it

X is an MLflow run id, a file or folder of a run, a row of the report (cnn-0) or of another table's
(grid/reports/results.json#cnn-0), a registered model's version (quartet-classify@champion), or the beginning of a
fingerprint, configuration hash, data digest or commit.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from quartet_app.cli import typed_source


def parser() -> argparse.ArgumentParser:
    argument_parser = argparse.ArgumentParser(
        prog="quartet trace", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    argument_parser.add_argument(
        "run", metavar="X", type=typed_source, help="what you have of the run: an id, a file, a row …"
    )
    argument_parser.add_argument("--config", action="store_true", help="print the whole resolved configuration too")
    argument_parser.add_argument(
        "--diff", action="store_true", help="print only the changes of the work tree, for git apply"
    )
    argument_parser.add_argument("--json", action="store_true", help="print everything as JSON")
    argument_parser.add_argument("--repeat", action="store_true", help="train it again and compare the two bit by bit")
    argument_parser.add_argument(
        "--send", action="store_true", help="deliver to MLflow what did not reach it, where its server failed"
    )
    argument_parser.add_argument(
        "--anyway", action="store_true", help="repeat even if code or data have changed since the run"
    )
    return argument_parser


def main(arguments: list[str]) -> None:
    args = parser().parse_args(arguments)
    from quartet_app.provenance.find_run import find_run
    from quartet_app.provenance.lineage import lineage
    from quartet_app.provenance.text import text

    run = find_run(args.run)
    if args.repeat:
        from quartet_app.provenance.repeat import repeat

        sys.exit(repeat(run, anyway=args.anyway, as_json=args.json))
    if args.send:
        from quartet_app.provenance.send import send

        print(send(run))
        return
    if args.diff:
        from quartet_app.run.work_tree import read_diff

        sys.stdout.buffer.write(read_diff(run.folder / "work_tree.diff" if run.folder else None))
        return
    facts = lineage(run)
    if args.json:
        print(json.dumps({**facts, "tree": run.config or None}, indent=1, ensure_ascii=False))
        return
    print(text(facts))
    if args.config and facts["configuration"]["path"]:
        print("\n" + Path(facts["configuration"]["path"]).read_text(encoding="utf-8").rstrip())
