"""Show the progress of work that counts in steps: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType

SECONDS_BETWEEN_LINES = 10.0


class Steps:
    """Show progress within a `with` block. Call the object with the name of a part, the steps done, and their total."""

    def __init__(self, *, title: str) -> None:
        from rich.progress import Progress, TaskID

        self.title = title
        self.bar = Progress() if sys.stdout.isatty() else None
        self.rows: dict[str, TaskID] = {}
        self.last_line = time.monotonic()

    def __enter__(self) -> Steps:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, part: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `part` are done."""
        if self.bar is not None:
            if part not in self.rows:
                self.rows[part] = self.bar.add_task(f"{self.title}: {part}", total=total)
            self.bar.update(self.rows[part], completed=done)
        elif time.monotonic() - self.last_line > SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            print(f"{self.title}: {part} {done:,} of {total:,}", flush=True)
