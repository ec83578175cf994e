"""What a command and its processes have bound while it runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

LOOPBACK = {"127.0.0.1", "::1"}
PAUSE = 0.4  # seconds between two looks, each of which takes a while: torch's store lives as long as a run's workers


class Watch(threading.Thread):
    """Collect what this process's descendants have bound, again and again until `end`: (address, command line)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over, self.found, self.looks = threading.Event(), set[tuple[str, str]](), 0

    def run(self) -> None:
        while not self.over.wait(PAUSE):
            self.looks += 1
            for one in psutil.Process().children(recursive=True):
                try:
                    bound = [each for each in one.net_connections("inet") if each.laddr and not each.raddr]
                    listening = [each for each in bound if each.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)]
                    named = " ".join(one.cmdline())[:90] if listening else ""
                    self.found |= {(each.laddr.ip.removeprefix("::ffff:"), named) for each in listening}
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue

    def look(self) -> None:
        """Wait until everything that is bound now has been seen."""
        begun = self.looks
        while self.looks < begun + 2 and not self.over.is_set():
            self.over.wait(PAUSE / 4)

    def end(self) -> set[tuple[str, str]]:
        self.over.set()
        self.join()
        assert self.looks > 5, "it never looked"
        return self.found


@contextmanager
def watched() -> Iterator[Watch]:
    watch = Watch()
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()


def open_to_others(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(ip, name) for ip, name in found if ip not in LOOPBACK}
