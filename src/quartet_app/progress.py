"""How far work has come that counts in steps: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType

SECONDS_BETWEEN_LINES = 10.0


class Steps:
    """A context manager to call with what is being done, how much of it is done, and of how much."""

    def __init__(self, *, title: str) -> None:
        from rich.progress import Progress, TaskID

        self.title = title
        self.bar = Progress() if sys.stdout.isatty() else None
        self.rows: dict[str, TaskID] = {}
        self.said = time.monotonic()

    def __enter__(self) -> Steps:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.bar is not None:
            if what not in self.rows:
                self.rows[what] = self.bar.add_task(f"{self.title}: {what}", total=total)
            self.bar.update(self.rows[what], completed=done)
        elif time.monotonic() - self.said > SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            print(f"{self.title}: {what} {done:,} of {total:,}", flush=True)
