"""Metrics on their way to a store that may be slow or gone: a list that a thread empties every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from quartet.tracking.tracker import Metrics

LOG = logging.getLogger(__name__)
FLUSH_SECONDS = 5.0  # between two sendings
CLOSE_SECONDS = 20.0  # at most, for the last of them
POINTS_PER_CALL = 1000  # MLflow's limit

Point = tuple[str, float, int, int]  # name, value, milliseconds since 1970, step


def points(values: Mapping[str, float], step: int) -> list[Point]:
    """`values` as points of this moment."""
    now = int(time.time() * 1000)
    return [(name, float(value), now, int(step)) for name, value in values.items()]


class Buffer(Metrics):
    """Sends points to a store from a thread of its own, so that `log` costs a training step microseconds.

    A run that was interrupted repeats some steps: points up to the last stored step of their name are left out, so
    that a curve stays one line. While the store cannot be reached, points are kept and tried again; those that `close`
    cannot send within `CLOSE_SECONDS` are written to the csv `unsent`, and it says so.

    Args:
        place: the store's name in messages.
        send: sends at most `POINTS_PER_CALL` points, or raises.
        last_steps: asks the store for the last stored step of each name, or raises.
        sample: numbers about the machine, taken at each sending; their step counts the samples.
        unsent: the csv for what could not be sent, if any.
    """

    def __init__(
        self,
        *,
        place: str,
        send: Callable[[list[Point]], None],
        last_steps: Callable[[], dict[str, int]],
        sample: Callable[[], dict[str, float]] | None,
        unsent: Path | None,
    ) -> None:
        self._place, self._send, self._last_steps, self._sample, self._file = place, send, last_steps, sample, unsent
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
        taken = points(values, step)
        with self._lock:
            self._fresh += taken

    def close(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)
        with self._lock:
            left = self._waiting + self._fresh
        if left:
            LOG.warning(
                "tracking: %d metrics did not reach %s (%s); %s.",
                *(len(left), self._place, self._reason, self._keep(left)),
            )

    def _keep(self, left: list[Point]) -> str:
        if self._file is None:
            return "they are lost there"
        rows = [f"{name},{value!r},{now},{step}\n" for name, value, now, step in left]
        self._file.write_text("name,value,milliseconds,samples\n" + "".join(rows))
        return f"they are in {self._file}"

    def _work(self) -> None:
        while not self._closing.wait(FLUSH_SECONDS):
            self._flush()
        end = time.monotonic() + CLOSE_SECONDS / 2
        while not self._flush() and time.monotonic() < end:
            time.sleep(1.0)

    def _flush(self) -> bool:
        """Send what there is; whether it went."""
        try:
            if self._stored is None:
                self._stored = self._last_steps()
            self._look_at_machine(self._stored)
            with self._lock:
                fresh, self._fresh = self._fresh, []
                self._waiting += [point for point in fresh if point[3] > self._stored.get(point[0], -1)]
            while self._waiting:
                self._send(self._waiting[:POINTS_PER_CALL])
                with self._lock:
                    self._waiting = self._waiting[POINTS_PER_CALL:]
        except Exception as error:  # a lost server, a locked database, whatever it raises: the next turn tries again
            self._reason = str(error).strip().partition("\n")[0]
            return False
        return True

    def _look_at_machine(self, stored: dict[str, int]) -> None:
        if self._sample is None:
            return
        try:
            values = self._sample()
        except Exception:  # a GPU may drop out of sight; numbers about the machine are not worth a word
            self._sample = None
            return
        if self._samples is None:
            self._samples = 1 + max((stored.get(name, -1) for name in values), default=-1)
        self.log(values, step=self._samples)
        self._samples += 1
