"""End a process with its parent or another ancestor, also where that one is killed and cannot end it.

    python -m quartet_app.processes MODULE ARGUMENTS …      run another program's module so

An ancestor is named by an environment variable, since programs between the two, such as DVC, close all pipes.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

ANCESTOR = "QUARTET_ANCESTOR"
SECONDS_BETWEEN_LOOKS = 0.5  # on systems that cannot wait for the end of another process
PR_SET_PDEATHSIG = 1  # prctl(2): the signal that a process gets when its parent dies


def ancestor() -> dict[str, str]:
    """Return the environment variable that ties the processes of a child to this one."""
    return {ANCESTOR: f"{os.getpid()} {_start(os.getpid())}"}


def end_with_ancestor() -> None:
    """Kill this process when the ancestor in its environment ends. Does nothing where there is none."""
    named = os.environ.get(ANCESTOR, "").split()
    if len(named) != 2 or int(named[0]) == os.getpid():
        return
    threading.Thread(target=_watch, args=(int(named[0]), named[1]), name="ancestor", daemon=True).start()


def die_with_parent(parent: int) -> None:
    """Kill this process when its parent dies, even by SIGKILL; exit at once where `parent` is its parent no more."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), name="parent", daemon=True).start()
    if os.getppid() != parent:  # it died before the system knew
        os._exit(1)


def _watch_parent(parent: int) -> None:
    """End this process once its parent is another one than `parent`."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def _watch(pid: int, start: str) -> None:
    """Wait until the process `pid` ends, and kill this one. `start` tells it from a later process of the same id."""
    handle = None
    with suppress(OSError, AttributeError):  # a system without pidfd_open(2), or the process has ended already
        handle = os.pidfd_open(pid)
    if handle is not None and _start(pid) == start:
        select.select([handle], [], [])
    while _start(pid) == start:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)


def _start(pid: int) -> str:
    """Return a text that is another one for every process with this id, "gone" where there is none."""
    if sys.platform == "linux":
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # proc(5)
            return "gone" if state == "Z" else fields[18]
        except OSError:
            return "gone"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "there"


if __name__ == "__main__":
    end_with_ancestor()
    sys.argv = sys.argv[1:]
    sys.path[0] = ""  # as `python -m` has it
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
