"""Separate a crash of a task from errors of the code that calls it, and from what the system refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quartet.types import QuartetError
from quartet_app.files import refused_by_disk


class Crash(Exception):
    """An error of a task that is no refusal. Its traceback has the frames of the task only."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        own = error.__traceback__.tb_next if error.__traceback__ else None
        self.error = error.with_traceback(own)


def run_task(task: Callable[[Any], Any], config: Any) -> Any:
    """Run `task` on `config`. Raises a QuartetError of the task unchanged, and any other error as a `Crash`.

    A full or read-only disk is no crash but refuses the run.
    """
    try:
        return task(config)
    except QuartetError:
        raise
    except Exception as error:
        refusal = refused_by_disk(error)
        if refusal is not None:
            raise refusal from error
        raise Crash(error) from None
