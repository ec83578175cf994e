"""Compare two trainings of the same run bit by bit: curves, metrics of the best checkpoint, and weights."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartet.data.preparing.fetch import sha256
from quartet_app.provenance.run_record import RunRecord
from quartet_app.run.verify import run_facts

TIMES = ("seconds", "samples_per_second")  # columns of the curves that say how fast it went
MAX_LISTED = 5


@dataclass
class Comparison:
    """The result of a comparison.

    Args:
        trained_on: the device of the repeat.
        lines: the differences, for a person; empty where there are none.
        counted: what was compared and how much of it.
        first: the earliest difference of a curve.
        metrics: by name, the pairs (then, now) that differ.
        largest: the largest difference of a weight; None where all are equal.
    """

    trained_on: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    counted: str = ""
    first: dict[str, Any] | None = None
    metrics: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    largest: float | None = None

    @property
    def same(self) -> bool:
        return not self.lines

    def facts(self) -> dict[str, Any]:
        """Return the comparison as plain data, for JSON."""
        return {"same": self.same, "compared": self.counted, "differences": self.lines, "first": self.first,
                "metrics": self.metrics, "largest_difference_of_weights": self.largest}  # fmt: skip


def compare_runs(run: RunRecord, folder: Path) -> Comparison:
    """Compare `run` with its repeat in `folder`."""
    assert run.folder is not None
    facts = run_facts(folder)
    comparison = Comparison(facts["trained_on"])
    rows = _compare_curves(run.folder, folder, comparison)
    _compare_metrics(run.facts["metrics"], facts["metrics"], comparison)
    numbers = _compare_weights(run, folder, comparison)
    comparison.counted = f"{len(facts['metrics'])} metrics, {rows} rows of the curves, {numbers}"
    return comparison


def _compare_curves(then: Path, now: Path, comparison: Comparison) -> int:
    """Add the first difference of the curves to `comparison`; returns the number of rows that were compared."""
    count = 0
    firsts = []
    for split in ("train", "val"):
        before, after = _rows(then / f"{split}.csv"), _rows(now / f"{split}.csv")
        count += len(after)
        for old, new in zip(before, after, strict=False):
            name = next((name for name in {**old, **new} if old.get(name) != new.get(name)), None)
            if name is not None:
                firsts.append((int(float(old["samples"])), f"{split}/{name}", old.get(name), new.get(name)))
                break
        if len(before) != len(after):
            comparison.lines.append(f"{split}.csv: {len(before)} rows then, {len(after)} now")
    if firsts:
        samples, name, was, is_now = min(firsts)
        comparison.first = {"samples": samples, "metric": name, "then": was, "now": is_now}
        comparison.lines.insert(0, f"first after {samples:,} samples: {name} {was} then, {is_now} now")
    return count


def _rows(path: Path) -> list[dict[str, str]]:
    """Read a curve without its columns of times, as texts; an empty list where there is none."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def _compare_metrics(then: dict[str, float], now: dict[str, float], comparison: Comparison) -> None:
    """Add the metrics that differ to `comparison`."""
    names = list({**then, **now})
    # JSON texts are compared because nan != nan, and because they show every bit.
    other = [name for name in names if json.dumps(then.get(name)) != json.dumps(now.get(name))]
    comparison.metrics = {name: (then.get(name), now.get(name)) for name in other}
    comparison.lines += [f"{name}: {then.get(name)} then, {now.get(name)} now" for name in other[:MAX_LISTED]]
    if len(other) > MAX_LISTED:
        comparison.lines.append(f"and {len(other) - MAX_LISTED} metrics more")


def _compare_weights(run: RunRecord, folder: Path, comparison: Comparison) -> str:
    """Add the differences of the weights to `comparison`; returns what was compared, for a person."""
    assert run.folder is not None
    path, repeated = run.folder / "model.safetensors", folder / "model.safetensors"
    written = run.facts.get("weights_sha256")
    if written and path.exists() and sha256(path) != written:
        again = (
            "wrote the same weights again" if sha256(repeated) == written else "did not write the recorded ones again"
        )
        comparison.lines.append(f"{path} was changed after training; the repeat {again}")
    if not path.exists():
        if sha256(repeated) != written:
            comparison.lines.append(f"weights: SHA-256 {str(written)[:12]} then, {sha256(repeated)[:12]} now")
        return "the weights' SHA-256"
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    now = load_file(repeated)
    numbers = f"{len(now)} tensors of weights ({sum(value.size for value in now.values()):,} numbers)"
    try:
        then = load_file(path)
    except SafetensorError as error:
        comparison.lines.append(f"{path} cannot be read: {error}")
        return numbers
    _compare_tensors(then, now, comparison)
    return numbers


def _compare_tensors(then: dict[str, Any], now: dict[str, Any], comparison: Comparison) -> None:
    """Add the weights that differ in type, shape or value to `comparison`, with the largest difference."""
    import numpy as np

    def form(value: Any) -> str:
        return "absent" if value is None else f"{value.dtype} {value.shape}"

    other: dict[str, tuple[Any, Any]] = {name: (then.get(name), now.get(name)) for name in {**then, **now}}
    unlike = {name: pair for name, pair in other.items() if form(pair[0]) != form(pair[1])}
    comparison.lines += [f"{name}: {form(a)} then, {form(b)} now" for name, (a, b) in list(unlike.items())[:MAX_LISTED]]
    gaps = {
        name: float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0))
        for name, (a, b) in other.items()
        if name not in unlike and a.tobytes() != b.tobytes()
    }
    if gaps:
        where = max(gaps, key=lambda name: (gaps[name] != gaps[name], gaps[name]))  # nan is the largest
        comparison.largest = gaps[where]
        comparison.lines.append(
            f"weights: {len(gaps)} of {len(now)} tensors differ, by at most {gaps[where]:.3g} ({where})"
        )
