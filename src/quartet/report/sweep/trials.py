"""Rank the trials of a sweep, find the best, and write all of them as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quartet.report.drawing.numerals import compact, plain
from quartet.report.run import finite

Mode = Literal["min", "max"]
SIGN = {"min": 1.0, "max": -1.0}  # a score times its sign is lower for a better trial
NAMES = {"finished": "finished", "stopped": "stopped early", "failed": "failed", "running": "running"}
FENCE = 30  # see `worst_shown`


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep.

    Attributes:
        number: counts from 0.
        values: the swept parameters that apply.
        status: `finished`, `stopped` (early, by the scheduler), `failed` or `running`.
        score: the best objective that it reached, None without a report.
        curve: `(time by the sweep's clock, objective at that time)`, in order.
    """

    number: int
    values: Mapping[str, Any]
    status: str
    score: float | None
    curve: Sequence[tuple[float, float]] = ()


def best(trials: Sequence[Trial], *, mode: Mode) -> Trial | None:
    """Return the best finished trial, or the best of all without a finished one; of equal trials the first."""
    ranked = ranking(trials, mode)
    return next((trial for trial in ranked if trial.status == "finished"), ranked[0] if ranked else None)


def table(trials: Sequence[Trial], *, mode: Mode, limit: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Return the header and at most `limit` rows, the best score first; trials without a score come last without a
    rank.

    The first row need not be `best`, which prefers finished trials. A parameter that does not apply is "–".
    """
    names = swept(trials)
    ranked = ranking(trials, mode)
    rest = sorted((trial for trial in trials if not finite(trial.score)), key=lambda trial: trial.number)
    rows = [
        [
            str(rank) if rank <= len(ranked) else "–", str(trial.number), NAMES.get(trial.status, trial.status),
            score_text(trial.score), compact(trial.curve[-1][0]) if trial.curve else "–",
            *(value_text(trial.values[name]) if name in trial.values else "–" for name in names),
        ]
        for rank, trial in enumerate([*ranked, *rest][:limit], start=1)
    ]  # fmt: skip
    return ["rank", "trial", "status", "score", "reached", *names], rows


def ranking(trials: Sequence[Trial], mode: Mode) -> list[Trial]:
    """Return the trials with a score, the best first."""
    scored = [trial for trial in trials if finite(trial.score)]
    return sorted(scored, key=lambda trial: (SIGN[mode] * score_of(trial), trial.number))


def state_of(trial: Trial) -> str:
    """Return the trial's status; "failed" for a score that is not finite."""
    return "failed" if trial.score is not None and not finite(trial.score) else trial.status


def score_of(trial: Trial) -> float:
    """Return the trial's score, nan without one."""
    return math.nan if trial.score is None else trial.score


def swept(trials: Sequence[Trial]) -> list[str]:
    """Return the swept parameters, in order of first appearance."""
    return list(dict.fromkeys(name for trial in trials for name in trial.values))


def worst_shown(values: Sequence[float], mode: Mode) -> float:
    """Return the worst value inside the figure.

    A value may lie `FENCE` times as far from the best as the third quartile does. Worse values come from diverged
    trials, and would press the others into one line.
    """
    ordered = sorted(values, key=lambda value: SIGN[mode] * value)
    most = abs(ordered[(len(ordered) - 1) * 3 // 4] - ordered[0])
    return [value for value in ordered if not most or abs(value - ordered[0]) <= FENCE * most][-1]


def score_text(value: float | None) -> str:
    """Return a score with four significant digits, in exponent form where very small or large."""
    exponent = finite(value) and value and not 0.01 <= abs(value) < 1e6
    return _tidy(f"{value:.4g}") if exponent else plain(value)


def value_text(value: Any) -> str:
    """Return a parameter's value as written in an override, with three or four significant digits."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if not isinstance(value, float) or not finite(value):
        return str(value)
    if abs(value) < 1:
        return _tidy(f"{value:.3g}")
    text = plain(value) if abs(value) < 1e6 else _tidy(f"{value:.3g}")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _tidy(text: str) -> str:
    """Shorten an exponent: 1e-05 → 1e-5, 1e+06 → 1e6."""
    digits, e, power = text.partition("e")
    return f"{digits}e{int(power)}" if e else text
