"""Put the statements of conf/finding/ to the test: train what they need, measure, and write verdicts and a page.

    quartet findings                       all findings of the table findings/
    quartet findings --only C2,R5          some of them
    quartet findings --quick               whether all works: a few steps on made-up data, in runs/quick/

What is trained and measured already is not done again. A changed rule trains and measures nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.cli import typed_path
from quartet_app.config.project import project


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    argument_parser = argparse.ArgumentParser(
        prog="quartet findings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    argument_parser.add_argument(
        "table", type=typed_path, nargs="?", help="a table whose params.yaml lists findings; by default findings/"
    )
    argument_parser.add_argument(
        "--only", default="", metavar="ID,ID", help="measure these findings; the page tells of all that are measured"
    )
    argument_parser.add_argument("--quick", action="store_true", help="whether all works: the numbers mean nothing")
    argument_parser.add_argument(
        "--jobs", type=int, help="runs at once on this machine; by default the number of GPUs, or cores"
    )
    argument_parser.add_argument(
        "--publish", type=typed_path, metavar="FOLDER", help="also write table and figures there, as docs/findings"
    )
    return argument_parser


def main(arguments: list[str]) -> None:
    """Run `quartet findings`."""
    args = parser().parse_args(arguments)
    if args.jobs is not None and args.jobs < 1:
        raise QuartetError(f"--jobs: given {args.jobs}, needs at least 1")
    from quartet_app.findings.conclude import publish, summary
    from quartet_app.findings.run import run_findings

    table, only = args.table or project() / "findings", [name for name in args.only.split(",") if name]
    if args.quick:
        from quartet_app.findings.quick import run_quick

        folder = Path("runs", "quick")
        findings = run_quick(folder, only=only)
    else:
        folder = table
        findings = run_findings(table, only=only, jobs=args.jobs)
    print("\n".join(summary(findings)))
    print(f"page: {folder / 'reports' / 'index.html'}")
    if args.publish:
        publish(findings, args.publish)
        print(f"published: {args.publish}")


def measure(arguments: list[str]) -> None:
    """Run DVC's stage `measure` for the finding that is named."""
    from quartet_app.findings.measure import measure_finding

    if len(arguments) != 1:
        raise QuartetError(f"pipelines/measure.py: given {arguments}, needs the id of one finding, as C2")
    print(measure_finding(arguments[0]))


def conclude(arguments: list[str]) -> None:
    """Run DVC's stage `conclude`."""
    from quartet_app.findings.conclude import conclude_table, summary

    if arguments:
        raise QuartetError(f"pipelines/conclude.py: given {arguments}, takes no arguments")
    print("\n".join(summary(conclude_table())))
