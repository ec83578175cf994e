"""Write numbers for people."""

from __future__ import annotations

from collections.abc import Sequence

from quartet.report.run import finite, mean_and_deviation

NARROW_SPACE = "\u202f"


def decimals(value: float) -> int:
    """Return the decimals that leave four significant digits: 0.9312, 2.083, 21.34, 143.2."""
    size = abs(value)
    return 4 if size < 1 else 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0


def plain(value: object) -> str:
    """Return a metric with four significant digits."""
    if not isinstance(value, int | float) or not finite(value):
        return "–"
    return f"{value:,.{decimals(value)}f}".replace(",", NARROW_SPACE)


def grouped(count: int) -> str:
    """Return a whole number with its thousands separated: 54 000."""
    return f"{count:,}".replace(",", NARROW_SPACE)


def spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation, both with the same decimals."""
    if not values:
        return "–"
    mean, deviation = mean_and_deviation(values)
    return plain(mean) if deviation is None else f"{plain(mean)} ± {deviation:.{decimals(mean)}f}"


def percent(share: float) -> str:
    """Return a share in per cent, with two digits."""
    return f"{share * 100:.2g}{NARROW_SPACE}%"


def compact(value: object) -> str:
    """Return a count with three digits and its prefix: 117 k, 1.31 M, 3.2 G."""
    if not isinstance(value, int | float) or not finite(value):
        return "–"
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{_three(value / size)}{NARROW_SPACE}{prefix}"
    return _three(value)


def duration(seconds: object) -> str:
    """Return seconds as a time: 48 s, 3 min 32 s, 2 h 05 min."""
    if not isinstance(seconds, int | float) or not finite(seconds):
        return "–"
    if seconds < 59.5:
        return f"{_three(seconds)}{NARROW_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NARROW_SPACE}min {rest:02d}{NARROW_SPACE}s"
    return f"{minutes // 60}{NARROW_SPACE}h {minutes % 60:02d}{NARROW_SPACE}min"


def _three(value: float) -> str:
    """Return a number with three significant digits."""
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
