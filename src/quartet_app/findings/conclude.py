"""Conclude from what was measured: intervals, the verdicts by the rules, and the page; the DVC stage `conclude`."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from quartet.findings import Condition, verdict
from quartet.report.chance.chance import chance_of, share_interval
from quartet.report.findings import Bound, Concluded, Found, markdown, page, section
from quartet.report.findings.concluded import NOT_MEASURED
from quartet_app.config.options import option_file
from quartet_app.config.table.findings import GROUP, Finding, read_finding
from quartet_app.config.table.params import read_params
from quartet_app.files import make_folder, read_record, write_text
from quartet_app.findings import in_mlflow
from quartet_app.findings.measure import MEASURED, NUMBERS

LEVEL = 0.95
REPORTS = Path("reports")
ABOUT = """\
`quartet findings` trains, measures and concludes; `--publish docs/findings` writes this page. Each verdict follows from
a rule that was committed before its numbers were measured, and from 95 % intervals: *not decided* where an interval
reaches over a threshold and that matters. [How that works](../findings.md).
"""


def conclude_table() -> list[Concluded]:
    """Conclude all findings of the table in the working directory; those not measured say so.

    Writes reports/ and a run for each in MLflow, and prints where they are.
    """
    findings = concluded()
    write_reports(findings, REPORTS)
    print("\n".join(in_mlflow.track(findings, MEASURED)))
    return findings


def concluded() -> list[Concluded]:
    """Return the findings of the table in the working directory with their verdicts."""
    return [conclude(read_finding(name), MEASURED / name) for name in read_params(Path("params.yaml")).findings]


def conclude(finding: Finding, folder: Path) -> Concluded:
    """Return a finding with its verdict on what was measured into `folder`; QuartetError for damaged files."""
    facts: dict[str, Any] = {
        "id": finding.id,
        "statement": " ".join(finding.statement.split()),
        "headline": finding.headline,
        "against": finding.against,
        "command": f"quartet findings --only {finding.id}",
        "rule_commit": rule_commit(option_file(GROUP, finding.id)),
    }
    path = folder / NUMBERS
    if not path.exists():
        return Concluded(verdict=NOT_MEASURED, **facts)
    measured = read_record(path, remedy=f"dvc repro --force --single-item measure-{finding.id} measures again")
    numbers = {
        name: (ratio_with_interval if entry.get("ratio") else with_interval)(entry["values"], entry["about"])
        for name, entry in measured["numbers"].items()
    }
    intervals = {name: (number.low, number.high) for name, number in numbers.items()}
    return Concluded(
        verdict=str(verdict(finding.rule, intervals)),
        rule=[bound(condition, intervals) for condition in finding.rule],
        numbers=numbers,
        figures={name: (folder / f"{name}.png").read_bytes() for name in measured["figures"]},
        texts=measured["texts"],
        seeds=measured["seeds"],
        runs=measured["runs"],
        commit=measured["commit"],
        **facts,
    )


def with_interval(values: Sequence[float] | Sequence[Sequence[float]], about: str) -> Found:
    """Return a number with its interval, from values (S,) or scores (S, N) of S seeds and N examples.

    Values that are the same in each of several seeds are exact, and their interval has no width; a single seed has
    no interval. Scores of 0 and 1 alone are shares, whose interval keeps some width at 0 and 1.
    """
    found_S = np.asarray(values, dtype=float)
    scores_SN = found_S if found_S.ndim == 2 else None
    of_seed = [float(value) for value in (found_S if scores_SN is None else scores_SN.mean(1))]
    mean, chance = math.fsum(of_seed) / len(of_seed), chance_of(of_seed, scores_SN)
    if len(of_seed) == 1 and scores_SN is None:
        return Found(mean, -math.inf, math.inf, "", about)
    if scores_SN is not None and np.isin(scores_SN, (0.0, 1.0)).all():
        low, high = share_interval(mean, chance, level=LEVEL, between=(0.0, 1.0))
    elif chance.variance > 0:
        low, high = mean - chance.reach(LEVEL), mean + chance.reach(LEVEL)
    else:
        low = high = mean
    return Found(mean, low, high, chance.covers, about)


def ratio_with_interval(values: Sequence[float], about: str) -> Found:
    """Return the geometric mean of ratios with its interval, that of their logarithms."""
    found = with_interval(np.log(values).tolist(), about)
    return replace(found, mean=math.exp(found.mean), low=math.exp(found.low), high=math.exp(found.high))


def bound(condition: Condition, intervals: Mapping[str, tuple[float, float]]) -> Bound:
    """Return how one condition came out."""
    interval = intervals[condition.number]
    met = condition.met(interval)
    room = condition.room(interval if met is not False else interval[::-1])
    return Bound(condition.number, str(condition), met, room)


def rule_commit(path: Path | None) -> str:
    """Return the commit that last changed a finding's file, short; "unknown" where there is none."""
    if path is None:
        return "unknown"
    git = ["git", "-C", str(path.resolve().parent)]
    changed = subprocess.run([*git, "status", "--porcelain", "--", path.name], capture_output=True, text=True)
    last = subprocess.run([*git, "log", "-1", "--format=%h", "--", path.name], capture_output=True, text=True)
    if last.returncode or not last.stdout.strip():
        return "unknown"
    return last.stdout.strip() + (" (changed since)" if changed.stdout.strip() else "")


def write_reports(findings: Sequence[Concluded], folder: Path) -> None:
    """Write index.html, findings.md (a row a finding) and findings.json (verdicts, numbers, rules)."""
    make_folder(folder)
    content = {finding.id: record(finding) for finding in findings}
    write_text(folder / "findings.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "findings.md", markdown(findings))
    write_text(folder / "index.html", page(findings))


def record(finding: Concluded) -> dict[str, Any]:
    """Return a finding for findings.json; an interval that has no ends is null."""
    numbers = {
        name: {"mean": number.mean, "interval": None if math.isinf(number.high) else [number.low, number.high]}
        for name, number in finding.numbers.items()
    }
    rule = [{"condition": bound.words, "met": bound.met} for bound in finding.rule]
    commits = {"rule_commit": finding.rule_commit, "commit": finding.commit}
    return {"statement": finding.statement, "verdict": finding.verdict, "numbers": numbers, "rule": rule, **commits}


def summary(findings: Sequence[Concluded]) -> list[str]:
    """Return a line for each finding: id, verdict and its number."""
    lines = []
    for finding in findings:
        number = finding.numbers.get(finding.headline)
        told = "" if number is None else f"{number}  {number.about}"
        lines.append(f"{finding.id:<3} {finding.verdict:<20} {told}".rstrip())
    return lines


def publish(findings: Sequence[Concluded], folder: Path) -> None:
    """Write the table, and each finding with its first figure, to `folder`: docs/findings/ of the project."""
    make_folder(folder)
    parts = ["# The article's statements, measured\n", ABOUT, markdown(findings)]
    for finding in findings:
        figure = next(iter(finding.figures.items()), None)
        if figure:
            (folder / f"{finding.id}.png").write_bytes(figure[1])
        parts.append(section(finding, (figure[0], f"{finding.id}.png") if figure else None))
    write_text(folder / "README.md", "\n".join(parts))
