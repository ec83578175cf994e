"""Types that all folders share: inputs and outputs of nets, evidence of an evaluation, and the error for a person.

Without torch on purpose, so that a listing or a configuration error is fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np

# Token ids that every vocabulary reserves, in this order.
PAD, BOS, EOS, UNK = 0, 1, 2, 3


# Characters of a name that becomes a folder: with what is added to it, it stays within a file system's 255 bytes.
LONGEST_NAME = 100


class QuartetError(Exception):
    """An error for a person: one or two lines that name the key, the given value and a remedy."""


def check_name(name: Any, key: str) -> str:
    """Return `name`, the value of `key`, if it is fit for the name of a file or folder; else raise QuartetError.

    It must be one plain component of a path: no separators, nothing hidden, nothing that a command takes for an option.
    """
    faults = {
        "is no text": not isinstance(name, str),
        "is empty": name == "",
        "begins with a dot or a dash": str(name)[:1] in (".", "-"),
        "has a slash or a backslash": bool({"/", "\\"} & set(str(name))),
        "has a character that cannot be printed, or a space at an end": str(name).strip() != str(name)
        or not str(name).isprintable(),
        f"is longer than {LONGEST_NAME} characters": len(str(name).encode("utf-8", "replace")) > LONGEST_NAME,
    }
    fault = next((fault for fault, holds in faults.items() if holds), None)
    if fault is not None:
        shown = repr(name) if len(str(name)) < LONGEST_NAME else f"{str(name)[:20]!r}…"
        raise QuartetError(f"{key}: given {shown}, which {fault}; it names a folder: give one plain word, as digits_2")
    return str(name)


@dataclass(frozen=True)
class Pixels:
    """Images of bytes, `(height, width, channels)`; `mean` and `std` (per channel, of bytes) normalise them.

    A file of 16 bits a pixel uses the lower `bits` of them.
    """

    dtype: ClassVar[str] = "uint8"
    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bits: int = 16

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one example."""
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class Series:
    """Sequences of numbers, `(length, channels)`; `mean` and `std` (per channel), if given, normalise them."""

    dtype: ClassVar[str] = "float32"
    length: int
    channels: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one example."""
        return self.length, self.channels


@dataclass(frozen=True)
class Tokens:
    """Token ids below `vocabulary`; training sees at most `context` of them at once."""

    vocabulary: int
    context: int


@dataclass(frozen=True)
class Classes:
    """One of several classes, by name."""

    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """Return the number of classes."""
        return len(self.names)


@dataclass
class Evidence:
    """The results of an evaluation for the report: metrics (names without the split), arrays and JSON-able texts."""

    metrics: dict[str, float]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)
