"""Run the stages of many runs as forks of one process, which has imported torch, Lightning and MLflow already.

    python -m quartet_app.fork_server SOCKET MODULE …      import these, then serve until stdin is closed

SOCKET is the file descriptor of a socket that listens.

To import them takes a core 7 seconds, and a short run has two stages. A stage's script that finds the address in its
environment hands its arguments, environment, working directory and streams over, and waits for the exit code. It runs
as ever where no server answers, or where code was edited after the server had read it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ADDRESS = "QUARTET_FORK_SERVER"  # the environment variable
THREADS = "OMP_NUM_THREADS"  # read when torch is imported, so that a fork cannot change it
STAGES = "pipelines"  # the folder of the scripts that may run as forks
STREAMS = (0, 1, 2)
PATIENCE = 10.0  # seconds for a request to arrive whole
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if hasattr(signal, "SIGHUP") else ()

Stamps = dict[str, tuple[int, int]]


@contextlib.contextmanager
def fork_server(modules: Sequence[str], *, threads: int, folder: Path) -> Iterator[dict[str, str]]:
    """Start a server that works in `folder`; yield the environment variables that let stages use it.

    `modules` are imported first; a stage that comes earlier waits for that. `threads`: stages that may use another
    number run by themselves. Without modules, and on systems where a fork is not safe with them, nothing is started.
    """
    if not modules or sys.platform != "linux":
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="quartet-") as private:  # no other user may reach the socket
        address = str(Path(private, "forks"))
        with socket.socket(socket.AF_UNIX) as listener:  # from here on, a stage waits where it comes too early
            listener.bind(address)
            listener.listen()
            server = subprocess.Popen(
                [sys.executable, "-m", "quartet_app.fork_server", str(listener.fileno()), *modules],
                cwd=folder, env={**os.environ, THREADS: str(threads)}, pass_fds=[listener.fileno()], process_group=0,
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            yield {ADDRESS: address}
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait()


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
        "environ": dict(os.environ),
        "folder": os.getcwd(),
        "group": os.getpgrp(),
    }
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
            content = json.dumps(request).encode()
            socket.send_fds(connection, [len(content).to_bytes(8, "big")], STREAMS)
            connection.sendall(content)
            answers = connection.makefile("r")
            pid = answers.readline()
        except (OSError, ValueError):
            return None
        return _wait(int(pid), answers) if pid.strip() else None


def _wait(pid: int, answers: Any) -> int:
    """Wait for the fork `pid`, which gets the signals that this process gets; returns its exit code."""

    def pass_on(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) != os.getpgrp():  # else it got the signal, too, if that went to the group
                os.kill(pid, number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    code = answers.readline().strip()
    if code:
        return int(code)
    with contextlib.suppress(ProcessLookupError):  # the server was killed
        os.kill(pid, signal.SIGKILL)
    print("the process that ran this stage was lost; the same command runs it again", file=sys.stderr)
    return 1


class Server:
    """Forks for each request that arrives, and answers with the fork's exit code."""

    def __init__(self, listening: int, modules: Sequence[str]) -> None:
        self.listener, self.waiting = socket.socket(fileno=listening), selectors.DefaultSelector()
        for module in modules:
            importlib.import_module(module)
        self.read = stamps()
        self.forks: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: the id, and the connection that waits for it
        self.waiting.register(self.listener, selectors.EVENT_READ)
        self.waiting.register(sys.stdin, selectors.EVENT_READ)

    def serve(self) -> dict[str, Any] | None:
        """Serve until stdin is closed, then return None; in each fork, return the request that it shall run."""
        while True:
            for key, _ in self.waiting.select():
                if key.fileobj is sys.stdin:
                    for pid, _ in self.forks.values():
                        os.kill(pid, signal.SIGKILL)
                    return None
                if key.fileobj is not self.listener:
                    self.look_at(key.data)
                elif request := self.accept():
                    return request

    def accept(self) -> dict[str, Any] | None:
        """Take a request and fork; returns the request in the fork. One that cannot be met is closed unanswered."""
        connection, _ = self.listener.accept()
        request, streams = received(connection)
        pid = -1
        if request is not None and request["environ"].get(THREADS) == os.environ[THREADS] and stamps() == self.read:
            pid = os.fork()
            if pid == 0:
                self.leave()
                take(streams)
                connection.close()
                return request
        for stream in streams:
            os.close(stream)
        if pid < 0:
            connection.close()
            return None
        handle = os.pidfd_open(pid)
        self.forks[handle] = (pid, connection)
        self.waiting.register(handle, selectors.EVENT_READ, handle)
        self.waiting.register(connection, selectors.EVENT_READ, handle)  # readable when it was closed
        with contextlib.suppress(OSError):
            connection.sendall(f"{pid}\n".encode())
        return None

    def look_at(self, handle: int) -> None:
        """Send the exit code of a fork that has ended; kill one for which nobody waits any more."""
        if handle not in self.forks:  # both came at once
            return
        pid, connection = self.forks[handle]
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            os.kill(pid, signal.SIGKILL)
            self.waiting.unregister(connection)
            return
        code = os.waitstatus_to_exitcode(status)
        with contextlib.suppress(OSError):
            connection.sendall(f"{code if code >= 0 else 128 - code}\n".encode())  # as a shell says it
        del self.forks[handle]
        self.waiting.unregister(handle)
        if connection in self.waiting.get_map():
            self.waiting.unregister(connection)
        connection.close()
        os.close(handle)

    def leave(self) -> None:
        """Close, in a fork, what is the server's."""
        self.waiting.close()
        self.listener.close()
        for handle, (_, connection) in self.forks.items():
            os.close(handle)
            connection.close()


def received(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the request that arrives, None where it does not arrive whole, and the file descriptors with it."""
    streams: list[int] = []
    try:
        connection.settimeout(PATIENCE)
        size, streams, _, _ = socket.recv_fds(connection, 8, len(STREAMS))
        content = connection.makefile("rb").read(int.from_bytes(size, "big"))
        return json.loads(content), streams
    except (OSError, ValueError):
        return None, streams


def take(streams: Sequence[int]) -> None:
    """Make `streams` the input and the outputs of this process."""
    for number, stream, name in zip(STREAMS, streams, ("stdin", "stdout", "stderr"), strict=True):
        os.dup2(stream, number)
        os.close(stream)
        before = getattr(sys, name)  # it remembers what the server's was: whether it can seek, say
        mode, errors = "r" if number == 0 else "w", before.errors
        setattr(sys, name, open(number, mode, encoding=before.encoding, errors=errors, closefd=False))  # noqa: SIM115


def stamps() -> Stamps:
    """Return time and size of each file of the project's code that this process has imported."""
    found = {}
    for name, module in sys.modules.items():
        path = getattr(module, "__file__", None)
        if path and name.partition(".")[0] in ("quartet", "quartet_app", "hydra_plugins"):
            with contextlib.suppress(OSError):
                state = os.stat(path)
                found[path] = (state.st_mtime_ns, state.st_size)
    return found


def run_script(request: dict[str, Any]) -> None:
    """Run a request's script in this process, as if Python had been started with it."""
    import numpy as np

    with contextlib.suppress(OSError):  # another session's group
        os.setpgid(0, request["group"])
    np.random.seed()  # else all forks would draw the same numbers; Python's own generator sees to it
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv[:] = request["argv"]
    sys.path[0] = str(Path(request["script"]).parent)
    runpy.run_path(request["script"], run_name="__main__")


if __name__ == "__main__":
    if (asked := Server(int(sys.argv[1]), sys.argv[2:]).serve()) is not None:
        run_script(asked)
