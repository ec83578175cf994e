"""A sweep under way: a live table on a terminal, elsewhere a line for each trial that ends; a summary at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, RUNNING, STOPPED, Record
from hydra_plugins.quartet_ray_sweeper._study import Study

ROWS = 12  # trials in the live table, the newest
TOP = 10  # trials in the summary, the best
REFRESH = 0.5  # seconds between two looks of the live table
SECONDS_BETWEEN_LINES = 15.0
WORD = {
    RUNNING: "running",
    FINISHED: "[green]finished[/]",
    STOPPED: "[yellow]stopped early[/]",
    FAILED: "[red]failed[/]",
}


class Display:
    """A context manager that is told what happens."""

    def __init__(self, study: Study, *, total: int) -> None:
        self.study, self.total = study, total
        self.terminal = sys.stdout.isatty()
        self.console = Console(highlight=False) if self.terminal else Console(highlight=False, width=160)
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self.terminal else None
        self.looked = self.said = time.monotonic()

    def __enter__(self) -> Display:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def reported(self, trial: Record) -> None:
        self.tick()
        if self.live is None and time.monotonic() - self.said > SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            self.console.print(f"{self.line()} · trial {trial.number}: {self.score(trial)} at {self.reached(trial)}")

    def ended(self, trial: Record) -> None:
        self.tick(now=True)
        if self.live is None:
            self.said = time.monotonic()
            said = in_a_line(trial.error) if trial.error else f"{self.score(trial)} at {self.reached(trial)}"
            self.console.print(
                f"trial {trial.number} {WORD[trial.status]} · {escape(said)} · {escape(given(trial))}", soft_wrap=True
            )

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def tick(self, *, now: bool = False) -> None:
        if self.live is not None and (now or time.monotonic() - self.looked > REFRESH):
            self.looked = time.monotonic()
            self.live.update(Group(self.table(self.study.trials[-ROWS:]), self.line()), refresh=True)

    def line(self) -> str:
        """How far the sweep is, in a line."""
        counts = {status: self.study.count(status) for status in (FINISHED, STOPPED, FAILED, RUNNING)}
        done = counts[FINISHED] + counts[STOPPED] + counts[FAILED]
        parts = [f"{done}/{self.total} trials"]
        parts += [f"{counts[FINISHED]} finished", f"{counts[STOPPED]} stopped early"]
        # The last one drawn may still wait for room, and does not run yet.
        parts += [f"{counts[FAILED]} failed"] * bool(counts[FAILED]) + [f"{counts[RUNNING]} under way"]
        if best := self.study.best:
            parts.append(f"best {self.score(best[0])} (trial {best[0].number})")
        return " · ".join(parts)

    def score(self, trial: Record) -> str:
        scores = self.study.scores(trial)
        return "–" if scores is None else ", ".join(f"{score:.4g}" for score in scores)

    def reached(self, trial: Record) -> str:
        clock = trial.reports[-1].get(self.study.clock) if trial.reports else None
        if clock is None:
            return "the end" if trial.status == FINISHED else "the start"
        share = f" ({clock / self.study.max_time:.0%})" if self.study.max_time else ""
        return f"{clock:,.0f} {self.study.clock}{share}"

    def table(self, trials: Sequence[Record]) -> Table:
        table = Table()
        keys = [parameter.key for parameter in self.study.space.parameters]
        for column in ("trial", "status", *self.study.metrics, self.study.clock, *keys):
            table.add_column(column, overflow="fold")
        for trial in trials:
            scores = self.study.scores(trial)
            shown = [f"{score:.4g}" for score in scores] if scores else ["–"] * len(self.study.metrics)
            values = [escape(_short(trial.values[key])) if key in trial.values else "" for key in keys]
            table.add_row(str(trial.number), WORD[trial.status], *shown, self.reached(trial), *values)
        return table

    def summary(self, lines: Sequence[str]) -> None:
        """The best trials, the failed ones, and where everything is."""
        study = self.study
        best = ", ".join(str(trial.number) for trial in study.best)
        if shown := self.ranked()[:TOP]:
            self.console.print(self.table(shown))
        self.console.print(self.line(), soft_wrap=True)
        for trial in [trial for trial in study.trials if trial.status == FAILED][:TOP]:
            self.console.print(f"trial {trial.number} failed: {in_a_line(trial.error)}", markup=False, soft_wrap=True)
        if best:
            first = study.best[0]
            self.console.print(f"best: trial {best} · {given(first)} → {first.folder}", markup=False, soft_wrap=True)
        for line in [*lines, f"all trials: {study.folder / 'trials.jsonl'}"]:
            self.console.print(line, markup=False, soft_wrap=True)

    def ranked(self) -> list[Record]:
        """Those that ran to their end before those that did not, the best first by the first metric."""
        sign = -1.0 if self.study.modes[0] == "max" else 1.0
        known = [(trial, scores) for trial in self.study.trials if (scores := self.study.scores(trial)) is not None]
        return [t for t, _ in sorted(known, key=lambda pair: (pair[0].status != FINISHED, sign * pair[1][0]))]


def in_a_line(text: str, *, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def given(trial: Record) -> str:
    """What a trial was given that others were not."""
    return " ".join(f"{key}={_short(value)}" for key, value in trial.values.items())


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
