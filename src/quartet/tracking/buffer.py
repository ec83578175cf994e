"""Buffer metrics for a store that may be slow or unreachable: a thread sends them every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from quartet.tracking.tracker import Metrics

LOG = logging.getLogger(__name__)
FLUSH_SECONDS = 5.0  # between two flushes
CLOSE_SECONDS = 20.0  # at most, for the last flush
POINTS_PER_CALL = 1000  # MLflow's limit

Point = tuple[str, float, int, int]  # name, value, milliseconds since 1970, step


def points(values: Mapping[str, float], step: int) -> list[Point]:
    """Return `values` as points with the current time."""
    now = int(time.time() * 1000)
    return [(name, float(value), now, int(step)) for name, value in values.items()]


class Buffer(Metrics):
    """Send points to a store from a thread, so that `log` costs a training step microseconds.

    An interrupted run repeats some steps: points up to the last stored step of their name are left out, so that a curve
    stays one line. While the store is unreachable, points wait and are sent again. `close` writes points that it cannot
    send within `CLOSE_SECONDS` to the csv `unsent`, and warns.

    Args:
        store: the store's name in messages.
        send: sends at most `POINTS_PER_CALL` points, or raises an error.
        last_steps: returns the last stored step of each name, or raises an error.
        sample: returns numbers about the machine, at each sending; their step counts the samples.
        unsent: the csv for unsent points, if any.
    """

    def __init__(
        self,
        *,
        store: str,
        send: Callable[[list[Point]], None],
        last_steps: Callable[[], dict[str, int]],
        sample: Callable[[], dict[str, float]] | None,
        unsent: Path | None,
    ) -> None:
        self._store, self._send, self._last_steps, self._sample, self._file = store, send, last_steps, sample, unsent
        self._lock = threading.Lock()
        self._fresh: list[Point] = []  # filled by log()
        self._waiting: list[Point] = []  # the thread's
        self._stored: dict[str, int] | None = None  # by name, at the start
        self._samples: int | None = None
        self._reason = "no answer in time"
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="metrics", daemon=True)
        self._thread.start()

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Add points to the buffer; return at once."""
        new = points(values, step)
        with self._lock:
            self._fresh += new

    def close(self) -> None:
        """Send the remaining points and end the thread. Warn of unsent points."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)
        with self._lock:
            unsent = self._waiting + self._fresh
        if unsent:
            LOG.warning(
                "tracking: %d metrics did not reach %s (%s); %s.",
                *(len(unsent), self._store, self._reason, self._write_unsent(unsent)),
            )

    def _write_unsent(self, unsent: list[Point]) -> str:
        """Write unsent points to the csv; return a phrase on where they are."""
        if self._file is None:
            return "they are lost there"
        rows = [f"{name},{value!r},{now},{step}\n" for name, value, now, step in unsent]
        self._file.write_text("name,value,milliseconds,samples\n" + "".join(rows))
        return f"they are in {self._file}"

    def _work(self) -> None:
        """Send points until `close`, then try for half of `CLOSE_SECONDS`."""
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()
        end = time.monotonic() + CLOSE_SECONDS / 2
        while not self._flush() and time.monotonic() < end:
            time.sleep(1.0)

    def _flush(self) -> bool:
        """Send all points; return whether this succeeded."""
        try:
            if self._stored is None:
                self._stored = self._last_steps()
            self._sample_machine(self._stored)
            with self._lock:
                fresh, self._fresh = self._fresh, []
                self._waiting += [point for point in fresh if point[3] > self._stored.get(point[0], -1)]
            while self._waiting:
                self._send(self._waiting[:POINTS_PER_CALL])
                with self._lock:
                    self._waiting = self._waiting[POINTS_PER_CALL:]
        except Exception as error:  # a lost server or a locked database, say: the next flush tries again
            self._reason = str(error).strip().partition("\n")[0]
            return False
        return True

    def _sample_machine(self, stored: dict[str, int]) -> None:
        """Log numbers about the machine. Stop for good at an error."""
        if self._sample is None:
            return
        try:
            values = self._sample()
        except Exception:  # a GPU may become unreadable; these numbers are not worth a warning
            self._sample = None
            return
        if self._samples is None:
            self._samples = 1 + max((stored.get(name, -1) for name in values), default=-1)
        self.log(values, step=self._samples)
        self._samples += 1
