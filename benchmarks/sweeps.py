"""What sweeps on Ray are for and what they cost, one line a file."""

from __future__ import annotations

from collections.abc import Iterator

import sweep_cost
import sweep_memory
import sweep_race
import sweep_server
from measure import CONSOLE, Line, Skipped

from quartet.types import QuartetError


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    for module in (sweep_race, sweep_cost, sweep_server, sweep_memory):
        line = module.new_line()
        CONSOLE.print(line.name)
        try:
            module.compare(line, repetitions=repetitions, quick=quick)
        except (QuartetError, Skipped) as reason:
            line.note = f"skipped: {reason}"
        yield line
