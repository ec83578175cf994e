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
HEADER = "name,value,milliseconds,samples"  # of the csv of unsent points
POINTS_PER_CALL = 1000  # MLflow's limit

Point = tuple[str, float, int, int]  # name, value, milliseconds since 1970, step


def points(values: Mapping[str, float], step: int) -> list[Point]:
    """Return `values` as points with the current time."""
    now = int(time.time() * 1000)
    return [(name, float(value), now, int(step)) for name, value in values.items()]


def read_unsent(path: Path | None) -> list[Point]:
    """Return the points in a csv of `write_unsent`; none where it is missing. Leaves out rows that are damaged."""
    found: list[Point] = []
    if path is None or not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
        try:
            name, value, now, step = line.rsplit(",", 3)
            found.append((name, float(value), int(now), int(step)))
        except ValueError:
            LOG.warning("tracking: %s has a damaged row: %s", path, line)
    return found


def write_unsent(path: Path, unsent: list[Point]) -> None:
    """Write points to a csv, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    rows = [f"{name},{value!r},{now},{step}\n" for name, value, now, step in unsent]
    part.write_text(f"{HEADER}\n" + "".join(rows), encoding="utf-8")
    part.replace(path)


class Buffer(Metrics):
    """Send points to a store from a thread, so that `log` costs a training step microseconds.

    An interrupted run repeats some steps: points up to the last stored step of their name are left out, so that a curve
    stays one line. While the store is unreachable, points wait and are sent again. `close` writes points that it cannot
    send in time to the csv `unsent`, and warns. A buffer of the same run sends them first.

    Args:
        store: the store's name in messages.
        send: sends at most `POINTS_PER_CALL` points, or raises an error.
        last_steps: returns the last stored step of each name, or raises an error.
        sample: returns numbers about the machine, at each sending; their step counts the samples.
        unsent: the csv for unsent points, if any.
        patience: the seconds that `close` waits at most.
    """

    def __init__(
        self,
        *,
        store: str,
        send: Callable[[list[Point]], None],
        last_steps: Callable[[], dict[str, int]],
        sample: Callable[[], dict[str, float]] | None,
        unsent: Path | None,
        patience: float = CLOSE_SECONDS,
    ) -> None:
        self._seconds = patience
        self._store, self._send, self._last_steps, self._sample, self._file = store, send, last_steps, sample, unsent
        self._lock = threading.Lock()
        self._fresh: list[Point] = []  # filled by log()
        self._waiting: list[Point] = read_unsent(unsent)  # the thread's
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
        self._thread.join(self._seconds)
        with self._lock:
            unsent = self._waiting + self._fresh
        if unsent:
            LOG.warning(
                "tracking: %d metrics did not reach %s (%s); %s.",
                *(len(unsent), self._store, self._reason, self._write_unsent(unsent)),
            )
        elif self._file is not None:
            self._file.unlink(missing_ok=True)

    def _write_unsent(self, unsent: list[Point]) -> str:
        """Write unsent points to the csv; return a phrase on where they are."""
        if self._file is None:
            return "they are lost there"
        try:
            write_unsent(self._file, unsent)
        except OSError as error:  # the training that ends here is worth more than its copy in the store
            return f"they are lost there, as {self._file} cannot be written ({error.strerror})"
        return f"they are in {self._file}"

    def _work(self) -> None:
        """Send points until `close`, then try for half of the time that it waits."""
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()
        end = time.monotonic() + self._seconds / 2
        while not self._flush() and time.monotonic() < end:
            time.sleep(1.0)

    def _flush(self) -> bool:
        """Send all points; return whether this succeeded."""
        try:
            if self._stored is None:
                self._stored = self._last_steps()
                with self._lock:
                    self._waiting = self._new(self._waiting, self._stored)
            self._sample_machine(self._stored)
            with self._lock:
                fresh, self._fresh = self._fresh, []
                self._waiting += self._new(fresh, self._stored)
            while self._waiting:
                self._send(self._waiting[:POINTS_PER_CALL])
                with self._lock:
                    self._waiting = self._waiting[POINTS_PER_CALL:]
        except Exception as error:  # a lost server or a locked database, say: the next flush tries again
            self._reason = str(error).strip().partition("\n")[0]
            return False
        return True

    def _new(self, found: list[Point], stored: dict[str, int]) -> list[Point]:
        """Return the points after the last step of their name in `stored`, and note their steps there."""
        new = []
        for point in found:
            if point[3] > stored.get(point[0], -1):
                stored[point[0]] = point[3]
                new.append(point)
        return new

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
