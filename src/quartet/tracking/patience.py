"""Call a store that may fail or never answer, and lose no more than a limited time with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from quartet.tracking.client import first_line

LOG = logging.getLogger(__name__)
PAUSES = (0.5, 2.0, None)  # seconds between attempts


class Patience:
    """Repeat calls that fail. All time lost with failed calls is counted; once it is `seconds`, no call is made.

    Args:
        seconds: how long failed calls may take in all. Calls that succeed may take any time, up to this for one.
        store: the store's name in messages.

    `lost` names what did not reach the store.
    """

    def __init__(self, seconds: float, *, store: str) -> None:
        self.left, self.store = seconds, store
        self.lost: list[str] = []

    def attempt(self, what: str, call: Callable[[], Any]) -> Any:
        """Return the result of `call`, tried three times; warn and return None when all fail or time is up."""
        for pause in PAUSES:
            if self.left <= 0:
                break
            begun = time.monotonic()
            try:
                return answer(call, seconds=self.left)
            except Exception as error:  # of network, database or disk: it must not end a training
                self.left -= time.monotonic() - begun
                if pause is None or self.left <= 0:
                    LOG.warning("tracking: %s did not reach %s: %s", what, self.store, first_line(error))
                    break
                time.sleep(pause)
        self.lost.append(what)
        return None


def answer(call: Callable[[], Any], *, seconds: float) -> Any:
    """Return the result of `call`, or raise its error; TimeoutError where it takes longer than `seconds`.

    The call then goes on in a thread that ends with the process.
    """
    results: list[Any] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(call())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="tracking", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return results[0]
