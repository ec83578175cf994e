"""Separate a crash of a task from errors of the code that calls it, and from what the system refuses."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from quartet.types import QuartetError

# What a person can mend when the system refuses to read or write, by the number of its error.
RIGHTS = "give yourself the rights to it, or work in a folder of your own"
ROOM = "make room there, then type the same command again"
IN_THE_WAY = "move away what is in its place"
REMEDIES = {
    errno.EACCES: RIGHTS, errno.EPERM: RIGHTS, errno.EROFS: RIGHTS,
    errno.ENOSPC: ROOM, errno.EDQUOT: ROOM, errno.EFBIG: ROOM,
    errno.ENOTDIR: IN_THE_WAY, errno.EISDIR: IN_THE_WAY, errno.EEXIST: IN_THE_WAY,
    errno.ENAMETOOLONG: "give a shorter one",
}  # fmt: skip


class Crash(Exception):
    """An error of a task that is no refusal. Its traceback has the frames of the task only."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        own = error.__traceback__.tb_next if error.__traceback__ else None
        self.error = error.with_traceback(own)


def run_task(task: Callable[[Any], Any], config: Any) -> Any:
    """Run `task` on `config`. Raises a QuartetError of the task unchanged, and any other error as a `Crash`."""
    try:
        return task(config)
    except QuartetError:
        raise
    except Exception as error:
        raise Crash(error) from None


def refusal(error: BaseException) -> str | None:
    """Return a message for a person where the system refused to read or write a file; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in REMEDIES:
        return None
    where = error.filename2 or error.filename
    return f"{where or 'the output'}: {error.strerror}; {REMEDIES[error.errno]}"
