"""Read limits of cost as a person types them: 5ms, 0.2s, 20MB, 1e6."""

from __future__ import annotations

import math
import re

from quartet.types import QuartetError

TIMES = {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
         "min": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0}  # fmt: skip
SIZES = {"b": 1.0, "bytes": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
# For each limit: its units, that of a number without one, and what the answer is in.
KINDS: dict[str, tuple[dict[str, float], str, float]] = {
    "latency_ms": (TIMES, "ms", 1e-3),
    "latency_ms_1": (TIMES, "ms", 1e-3),
    "latency_ms_64": (TIMES, "ms", 1e-3),
    "train_seconds": (TIMES, "s", 1.0),
    "bytes": (SIZES, "b", 1.0),
    "parameters": (COUNTS, "", 1.0),
    "flops": (COUNTS, "", 1.0),
    "throughput_64": (COUNTS, "", 1.0),
    "money": ({"": 1.0}, "", 1.0),
}
EXAMPLES = {id(TIMES): "5ms or 0.2s", id(SIZES): "20MB or 1e6", id(COUNTS): "1e6 or 200k"}
NUMBER = re.compile(r"\s*([+-]?[\d._]+(?:e[+-]?\d+)?)\s*([a-zµμ]*)\s*", re.IGNORECASE)


def parse_limit(kind: str, text: str, *, option: str | None = None) -> float:
    """Return a limit in milliseconds, bytes, seconds or as a count, by its kind, a key of KINDS.

    A number without a unit is in milliseconds for a latency, in seconds for a time of training, in bytes for a size.
    QuartetError, which names the `option`, for what is no positive number with a unit of the kind.
    """
    units, plain, scale = KINDS[kind]
    found = NUMBER.fullmatch(text)
    factor = units.get(found[2].lower() or plain) if found else None
    try:
        value = float(found[1]) * factor / scale if found and factor is not None else math.nan
    except ValueError:  # as 1.2.3
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        example = EXAMPLES.get(id(units), "2.5")
        raise QuartetError(f"{option or kind}: {text}: no such limit; give a number above 0, as {example}")
    return value
