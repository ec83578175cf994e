"""Let a server run the stages of many runs as forks of itself: it has imported torch, Lightning and MLflow already.

To import them takes a core 7 seconds, and a short run has two stages. A stage's script that finds the address in its
environment hands its command line, environment, working directory and streams over, and waits for the exit code. It
runs as ever where no server answers, where something else than these differs (`state`), and where code was edited after
the server had begun to read it. A fork ends with the server, and with the stage that waits for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ADDRESS = "QUARTET_FORK_SERVER"  # the environment variable
STAGES = "pipelines"  # the folder of the scripts that may run as forks
STREAMS = (0, 1, 2)
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
# Variables that are read when Python starts or a library is imported: a fork cannot change them.
READ_EARLY = ("PYTHON", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "LD_", "LC_", "LANG", "QUARTET_SHIPPED")


@contextlib.contextmanager
def fork_server(
    modules: Sequence[str], *, threads: int, folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Start a server that works in `folder`; yield the environment variables that let stages use it.

    `modules` are imported first, with `variables` in the environment; a stage that comes earlier waits for that.
    `threads`: stages that may use another number run by themselves. Without modules, and on systems where such a server
    cannot be, nothing is started.
    """
    with contextlib.ExitStack() as closing:
        server = None
        if modules and sys.platform == "linux":
            with contextlib.suppress(OSError):  # such as a name that is too long for a socket
                # No other user may reach the socket.
                private = closing.enter_context(tempfile.TemporaryDirectory(prefix="quartet-"))
                address = str(Path(private, "forks"))
                env = {**os.environ, **(variables or {}), "OMP_NUM_THREADS": str(threads)}
                server = _started(address, modules, env, folder)
        try:
            yield {ADDRESS: address} if server else {}
        finally:
            if server:
                server.kill()  # its forks are done
                server.communicate()


def _started(address: str, modules: Sequence[str], env: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    """Start the server; from then on, a stage waits where it comes too early."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "quartet_app.forking.server", str(listener.fileno()), *modules],
            cwd=folder, env=env, pass_fds=[listener.fileno()], process_group=0,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def state() -> dict[str, Any]:
    """Return what a stage has from its start on, beside what a request says: a fork of another state is another run."""
    import resource

    umask = os.umask(0)
    os.umask(umask)
    flags = {name: getattr(sys.flags, name) for name in dir(sys.flags) if not name.startswith("_")}
    plain = {name: value for name, value in flags.items() if isinstance(value, int) and name != "safe_path"}
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    found = {
        "python": [sys.executable, sys.prefix],
        "flags": plain,
        "options": [sys.warnoptions, sys._xoptions],
        "process": [umask, os.nice(0), sorted(os.sched_getaffinity(0)), limits],
        "variables": {name: value for name, value in os.environ.items() if name.startswith(READ_EARLY)},
    }
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def run_as_fork() -> int | None:
    """Let the server in the environment run this process's script; returns the exit code.

    Returns None where this process shall run it itself.
    """
    address, script = os.environ.pop(ADDRESS, None), Path(sys.argv[0])
    if address is None or script.parent.name != STAGES:
        return None
    request = {
        "script": str(script.absolute()),
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "environ": dict(os.environ),
        "folder": os.getcwd(),
        "safe_path": sys.flags.safe_path,
        "ignored": [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN],
        "state": state(),
    }
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            content = json.dumps(request).encode()
            socket.send_fds(connection, [len(content).to_bytes(8, "big")], STREAMS)
            connection.sendall(content)
            answers = connection.makefile("r")
            pid = answers.readline().strip()
        except OSError:  # no server, or one that died, and a fork with it
            return None
        return _wait(int(pid), answers) if pid else None


def _wait(pid: int, answers: Any) -> int:
    """Wait for the fork `pid`, which gets the signals that this process gets; returns its exit code."""

    def pass_on(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    try:
        code = answers.readline().strip()
    except OSError:
        code = ""
    if code:
        return int(code)
    print("the process that ran this stage was lost; the same command runs it again", file=sys.stderr)
    return 1
