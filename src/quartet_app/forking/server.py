"""Import modules once, then fork for each stage that asks.

    python -P -m quartet_app.forking.server SOCKET MODULE …      import these, then serve until stdin is closed

SOCKET is the file descriptor of a socket that listens. quartet_app.forking.client starts this, and says what for.
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
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quartet_app.forking.client import SIGNALS, STREAMS, state
from quartet_app.processes import die_with_parent

PATIENCE = 10.0  # seconds for a request to arrive whole
CLOCK_STEP = 20_000_000  # nanoseconds by which a file's time may lie before the clock's

Stamps = dict[str, tuple[int, int, int]]


class Server:
    """Forks for each request that arrives, and answers with the fork's exit code."""

    def __init__(self, listening: int, modules: Sequence[str]) -> None:
        os.close(os.pidfd_open(os.getpid()))  # an old system has none: better no server
        for number in SIGNALS:  # what is sent to all processes is for the stages
            signal.signal(number, lambda *_: None)
        self.pid = os.getpid()
        self.state, before, begun = state(), set(os.environ), time.time_ns() - CLOCK_STEP
        for module in modules:
            importlib.import_module(module)
        self.added = {name: value for name, value in os.environ.items() if name not in before}
        self.read = stamps()
        self.torn = any(changed >= begun for *_, changed in self.read.values())  # edited while it was read
        self.listener, self.waiting = socket.socket(fileno=listening), selectors.DefaultSelector()
        self.forks: dict[int, tuple[int, socket.socket]] = {}  # by id: the pidfd, and the connection that waits for it
        self.waiting.register(self.listener, selectors.EVENT_READ)
        self.waiting.register(sys.stdin, selectors.EVENT_READ)

    def serve(self) -> dict[str, Any] | None:
        """Serve until stdin is closed, then return None; in each fork, return the request that it shall run."""
        while True:
            for key, _ in self.waiting.select():
                if key.fileobj is sys.stdin:
                    return None
                if key.fileobj is not self.listener:
                    self.look_at(key.data)
                elif request := self.accept():
                    return request

    def accept(self) -> dict[str, Any] | None:
        """Take a request and fork; returns the request in the fork. One that cannot be met is closed unanswered."""
        with contextlib.suppress(OSError):
            connection, _ = self.listener.accept()
            request, streams = received(connection)
            if request is None or not self.able(request) or gone(connection):
                close(connection, streams)
                return None
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                pid = os.fork()
            except OSError:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                close(connection, streams)
                return None
            if pid == 0:
                self.leave()
                connection.close()
                take(streams)
                return {**request, "added": self.added}
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self.watch(pid, connection, streams)
        return None

    def able(self, request: Mapping[str, Any]) -> bool:
        """Return whether a fork would run the request as a process of its own would."""
        return not self.torn and request["state"] == self.state and stamps() == self.read

    def watch(self, pid: int, connection: socket.socket, streams: Sequence[int]) -> None:
        """Tell who waits that the fork `pid` runs, and look at both of them."""
        try:
            handle = os.pidfd_open(pid)
        except OSError:  # too many open files: the stage runs by itself, once the fork is gone
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            close(connection, streams)
            return
        self.forks[pid] = (handle, connection)
        self.waiting.register(handle, selectors.EVENT_READ, pid)
        self.waiting.register(connection, selectors.EVENT_READ, pid)  # readable when it was closed
        for stream in streams:
            os.close(stream)
        with contextlib.suppress(OSError):
            connection.sendall(f"{pid}\n".encode())

    def look_at(self, pid: int) -> None:
        """Send the exit code of a fork that has ended; kill one for which nobody waits any more."""
        if pid not in self.forks:  # both came at once
            return
        handle, connection = self.forks[pid]
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            if gone(connection):
                os.kill(pid, signal.SIGKILL)
                self.waiting.unregister(connection)
            return
        code = os.waitstatus_to_exitcode(status)
        with contextlib.suppress(OSError):
            connection.sendall(f"{code if code >= 0 else 128 - code}\n".encode())  # as a shell says it
        del self.forks[pid]
        self.waiting.unregister(handle)
        if connection in self.waiting.get_map():
            self.waiting.unregister(connection)
        connection.close()
        os.close(handle)

    def leave(self) -> None:
        """Die with the server, in a fork, and close what is the server's."""
        die_with_parent(self.pid)
        self.waiting.close()
        self.listener.close()
        for handle, connection in self.forks.values():
            os.close(handle)
            connection.close()


def received(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the request that arrives, None where it does not arrive whole, and the file descriptors with it."""
    streams: list[int] = []
    try:
        connection.settimeout(PATIENCE)
        size, streams, _, _ = socket.recv_fds(connection, 8, len(STREAMS))
        content = connection.makefile("rb").read(int.from_bytes(size, "big"))
        connection.settimeout(None)
        return (json.loads(content) if len(streams) == len(STREAMS) else None), streams
    except (OSError, ValueError):
        return None, streams


def gone(connection: socket.socket) -> bool:
    """Return whether the other end of a connection was closed. Nothing is sent from there any more."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def close(connection: socket.socket, streams: Sequence[int]) -> None:
    """Close a connection and the file descriptors that came through it."""
    connection.close()
    for stream in streams:
        os.close(stream)


def take(streams: Sequence[int]) -> None:
    """Make `streams` the input and the outputs of this process."""
    for number, stream, name in zip(STREAMS, streams, ("stdin", "stdout", "stderr"), strict=True):
        os.dup2(stream, number)
        os.close(stream)
        before = getattr(sys, name)  # it remembers what the server's was: whether it can seek, say
        mode, buffering = "r" if number == 0 else "w", 1 if name == "stderr" or os.isatty(number) else -1
        after: Any = open(number, mode, buffering, encoding=before.encoding, errors=before.errors, closefd=False)  # noqa: SIM115
        if number:
            after.reconfigure(write_through=before.write_through)
        setattr(sys, name, after)


def stamps() -> Stamps:
    """Return times and size of each file of the project's code that this process has imported."""
    found = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and name.partition(".")[0] in ("quartet", "quartet_app", "hydra_plugins"):
            with contextlib.suppress(OSError):
                facts = os.stat(path)
                found[path] = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return found


def run_script(request: dict[str, Any]) -> None:
    """Run a request's script in this process, as if Python had been started with it."""
    import numpy as np

    os.setpgid(0, 0)  # it gets each signal from the stage that waits, once
    for number in SIGNALS:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in request["ignored"] else usual)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    np.random.seed()  # else all forks would draw the same numbers; Python's own generator sees to it
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update({**request["added"], **request["environ"]})
    sys.argv[:], sys.orig_argv[:] = request["argv"], request["orig_argv"]
    if not request["safe_path"]:
        sys.path.insert(0, os.path.realpath(Path(request["script"]).parent))
    runpy.run_path(request["script"], run_name="__main__")


if __name__ == "__main__":
    if (asked := Server(int(sys.argv[1]), sys.argv[2:]).serve()) is not None:
        run_script(asked)
