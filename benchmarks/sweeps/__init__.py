"""What sweeps on Ray are for and what they cost, one line a file."""

from __future__ import annotations

from collections.abc import Iterator

from measure import CONSOLE, Line

from sweeps import cost, memory, race, server


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    for module in (race, cost, server, memory):
        line = module.new_line()
        CONSOLE.print(line.name)
        try:
            module.compare(line, repetitions=repetitions, quick=quick)
        except Exception as error:
            line.explain(error)
        yield line
