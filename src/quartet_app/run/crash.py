"""Tell what a task raised from what the code around it raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quartet.types import QuartetError


class Crash(Exception):
    """An error of a task that is no refusal, with the frames of the task alone."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        own = error.__traceback__.tb_next if error.__traceback__ else None
        self.error = error.with_traceback(own)


def run_task(task: Callable[[Any], Any], config: Any) -> Any:
    """Run `task` on `config`; a refusal comes out as it is, any other error as a `Crash`."""
    try:
        return task(config)
    except QuartetError:
        raise
    except Exception as error:
        raise Crash(error) from None
