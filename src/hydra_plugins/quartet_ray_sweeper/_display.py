"""Show a running sweep: a live table on a terminal, else a line for each trial that ends. Print a summary at the
end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINISHED, RUNNING, STOPPED, Record
from hydra_plugins.quartet_ray_sweeper._state import Sweep

ROWS = 12  # newest trials in the live table
TOP = 10  # best trials in the summary
REFRESH = 0.5  # seconds between two updates of the live table
SECONDS_BETWEEN_LINES = 15.0
STATUS_TEXT = {
    RUNNING: "running",
    FINISHED: "[green]finished[/]",
    STOPPED: "[yellow]stopped early[/]",
    FAILED: "[red]failed[/]",
}


class Display:
    """Context manager that shows the events of a sweep. `total` is the number of trials to run."""

    def __init__(self, sweep: Sweep, *, total: int) -> None:
        self.sweep, self.total = sweep, total
        self.terminal = sys.stdout.isatty()
        self.console = Console(highlight=False) if self.terminal else Console(highlight=False, width=160)
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self.terminal else None
        self.last_refresh = self.last_line = time.monotonic()

    def __enter__(self) -> Display:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def on_report(self, trial: Record) -> None:
        """Update the table. Without a terminal, print the report, at most one every `SECONDS_BETWEEN_LINES`."""
        self.tick()
        if self.live is None and time.monotonic() - self.last_line > SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            self.console.print(
                f"{self.progress()} · trial {trial.number}: {self.score(trial)} at {self.clock_reached(trial)}"
            )

    def on_end(self, trial: Record) -> None:
        """Update the table. Without a terminal, print how the trial ended and its swept values."""
        self.tick(now=True)
        if self.live is None:
            self.last_line = time.monotonic()
            outcome = one_line(trial.error) if trial.error else f"{self.score(trial)} at {self.clock_reached(trial)}"
            self.console.print(
                f"trial {trial.number} {STATUS_TEXT[trial.status]} · {escape(outcome)} · {escape(swept_values(trial))}",
                soft_wrap=True,
            )

    def print_line(self, line: str) -> None:
        """Print a line as it is, without markup."""
        self.console.print(line, markup=False, soft_wrap=True)

    def tick(self, *, now: bool = False) -> None:
        """Redraw the live table when it is older than `REFRESH`, or at once with `now`."""
        if self.live is not None and (now or time.monotonic() - self.last_refresh > REFRESH):
            self.last_refresh = time.monotonic()
            self.live.update(Group(self.table(self.sweep.trials[-ROWS:]), self.progress()), refresh=True)

    def progress(self) -> str:
        """Return one line with the counts of trials by status and the best score so far."""
        counts = {status: self.sweep.count(status) for status in (FINISHED, STOPPED, FAILED, RUNNING)}
        done = counts[FINISHED] + counts[STOPPED] + counts[FAILED]
        parts = [f"{done}/{self.total} trials"]
        parts += [f"{counts[FINISHED]} finished", f"{counts[STOPPED]} stopped early"]
        # The newest trial may still wait for resources: it is under way, though it does not run yet.
        parts += [f"{counts[FAILED]} failed"] * bool(counts[FAILED]) + [f"{counts[RUNNING]} under way"]
        if best := self.sweep.best:
            parts.append(f"best {self.score(best[0])} (trial {best[0].number})")
        return " · ".join(parts)

    def score(self, trial: Record) -> str:
        """Return the trial's scores to four digits, "–" without any."""
        scores = self.sweep.scores(trial)
        return "–" if scores is None else ", ".join(f"{score:.4g}" for score in scores)

    def clock_reached(self, trial: Record) -> str:
        """Return how far the trial came by its clock, such as "1,500 samples (50%)"."""
        clock = trial.reports[-1].get(self.sweep.clock) if trial.reports else None
        if clock is None:
            return "the end" if trial.status == FINISHED else "the start"
        share = f" ({clock / self.sweep.max_time:.0%})" if self.sweep.max_time else ""
        return f"{clock:,.0f} {self.sweep.clock}{share}"

    def table(self, trials: Sequence[Record]) -> Table:
        """Return a table of `trials`: status, scores, clock and swept values."""
        table = Table()
        keys = [parameter.key for parameter in self.sweep.space.parameters]
        for column in ("trial", "status", *self.sweep.metrics, self.sweep.clock, *keys):
            table.add_column(column, overflow="fold")
        for trial in trials:
            scores = self.sweep.scores(trial)
            shown = [f"{score:.4g}" for score in scores] if scores else ["–"] * len(self.sweep.metrics)
            values = [escape(_short(trial.values[key])) if key in trial.values else "" for key in keys]
            table.add_row(str(trial.number), STATUS_TEXT[trial.status], *shown, self.clock_reached(trial), *values)
        return table

    def summary(self, lines: Sequence[str]) -> None:
        """Print the best trials, the failed trials and the journal's path. `lines` come from the observer."""
        sweep = self.sweep
        best = ", ".join(str(trial.number) for trial in sweep.best)
        if shown := self.ranked()[:TOP]:
            self.console.print(self.table(shown))
        self.console.print(self.progress(), soft_wrap=True)
        for trial in [trial for trial in sweep.trials if trial.status == FAILED][:TOP]:
            self.console.print(f"trial {trial.number} failed: {one_line(trial.error)}", markup=False, soft_wrap=True)
        if best:
            first = sweep.best[0]
            self.console.print(
                f"best: trial {best} · {swept_values(first)} → {first.folder}", markup=False, soft_wrap=True
            )
        for line in [*lines, f"all trials: {sweep.folder / 'trials.jsonl'}"]:
            self.console.print(line, markup=False, soft_wrap=True)

    def ranked(self) -> list[Record]:
        """Return the trials with scores, finished trials first, then sorted by the first metric."""
        sign = -1.0 if self.sweep.modes[0] == "max" else 1.0
        known = [(trial, scores) for trial in self.sweep.trials if (scores := self.sweep.scores(trial)) is not None]
        return [trial for trial, _ in sorted(known, key=lambda pair: (pair[0].status != FINISHED, sign * pair[1][0]))]


def one_line(text: str, *, limit: int = 300) -> str:
    """Return `text` with its white space joined, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def swept_values(trial: Record) -> str:
    """Return the trial's values of the swept parameters, as `key=value` words, and what it runs again."""
    words = [f"{key}={_short(value)}" for key, value in trial.values.items()] or ["the settings as they are"]
    again = [] if trial.of is None else [f"(trial {trial.of} again with {' '.join(trial.more)})"]
    return " ".join(words + again)


def _short(value: object) -> str:
    """Return a value as text, floats to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
