"""Measure the claims of speed, side by side; prints a table and writes reports/bench.json.

python benchmarks/bench.py                                  everything, with all cores
python benchmarks/bench.py --only input,startup --quick     parts, and only whether they work

Ends with code 0 even where a target is missed: the table says so. Ends with 1 where a part is broken, and names it.
--quick takes made-up data, in a folder that is removed at the end.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import chdir, nullcontext
from pathlib import Path
from typing import Any

from measure import CONSOLE, Line, describe, workplace
from rich.console import Console
from rich.table import Table

# The parts in order, and how often each side is measured.
PARTS = {"startup": 5, "input": 5, "overhead": 3, "processes": 5, "shakespeare": 3, "gpu": 3, "sweeps": 5}
MODULES = {"input": "input_path"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.py", description="Measure the claims of speed, side by side.")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="whether all works: the numbers mean little")
    parser.add_argument("--repetitions", type=int, help="how often each side is measured, 3 to 5 by default")
    parser.add_argument("--out", type=Path, default=Path("reports/bench.json"))
    chosen = parser.parse_args(arguments)
    wanted = chosen.only.split(",")
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        parser.error(f"--only {unknown[0]}: no such part; one of {', '.join(PARTS)}")
    if chosen.repetitions is not None and chosen.repetitions < 1:
        parser.error(f"--repetitions {chosen.repetitions}: 1 or more")
    warnings.filterwarnings("ignore")
    out = chosen.out.resolve()
    with workplace() as folder, chdir(folder) if chosen.quick else nullcontext():
        lines = run_parts([part for part in PARTS if part in wanted], chosen, out=out)
    show(lines)
    print(f"\n{out}")
    broken = list(dict.fromkeys(line.part for line in lines if line.broken))
    if broken:
        print(f"broken: {', '.join(broken)}; the notes say how", file=sys.stderr)
    return 1 if broken else 0


def run_parts(parts: list[str], chosen: argparse.Namespace, *, out: Path) -> list[Line]:
    """Run the parts in order; `out` holds the lines so far after each."""
    began = time.time()
    lines: list[Line] = []
    for part in parts:
        repetitions = chosen.repetitions or (1 if chosen.quick else PARTS[part])
        for line in run(part, repetitions=repetitions, quick=chosen.quick):
            lines.append(line)
            write(out, lines, quick=chosen.quick, seconds=time.time() - began)
    return lines


def run(part: str, *, repetitions: int, quick: bool) -> Iterator[Line]:
    """The lines of a part. One that breaks is said and does not stop the others."""
    CONSOLE.rule(part)
    try:
        module = importlib.import_module(MODULES.get(part, part))
        yield from module.measure(repetitions=repetitions, quick=quick)
    except Exception as error:
        line = Line(part=part, name="", what="")
        line.explain(error)
        yield line


def write(path: Path, lines: list[Line], *, quick: bool, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"machine": machine(), "quick": quick, "seconds": round(seconds, 1)}
    report = {**facts, "lines": [line.record() for line in lines]}
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    packages = {name: version(name) for name in ("torch", "pytorch-lightning", "numpy")}
    return {
        "cores": cores,
        "load": load,
        "system": platform.platform(),
        "python": platform.python_version(),
        **packages,
    }


def show(lines: list[Line]) -> None:
    """The table, and below it the note of each line that has no value."""
    table = Table("part", "what", "value", "target", "", "ours", "theirs", title="benchmarks")
    for line in lines:
        value = "–" if line.value is None else f"{line.value:,.3g} {line.unit}"
        target = "" if line.target is None else f"{'≥' if line.above else '≤'} {line.target:g} {line.unit}"
        mark = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[line.met]
        sides = [shown(side, line.samples_unit) for side in (line.ours, line.theirs)]
        table.add_row(line.part, f"{line.name}\n[dim]{line.what}[/]", value, target, mark, *sides)
    # A log has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    console.print(table)
    for line in lines:
        if line.value is None:
            console.print(f"{line.part} {line.name}: {line.note}", markup=False)


def shown(samples: list[float], unit: str) -> str:
    about = describe(samples)
    return (
        "" if about is None else f"{about['median']:,.4g} {unit}\n[dim]± {about['spread'] / 2:.0%} of {about['n']}[/]"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
