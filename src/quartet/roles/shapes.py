"""What several roles need: shapes as JSON, and JSON as a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from quartet.types import Pixels, Series


def shape_of(spec: Pixels | Series) -> tuple[int, ...]:
    """The shape of one example."""
    if isinstance(spec, Pixels):
        return spec.height, spec.width, spec.channels
    return spec.length, spec.channels


def pixels_of(spec: Mapping[str, Any]) -> Pixels:
    """Images, as a description holds them."""
    return Pixels(**{**spec, "mean": tuple(spec["mean"]), "std": tuple(spec["std"])})


def say(facts: dict[str, Any]) -> None:
    """Print an answer as a line of JSON."""
    print(json.dumps(facts, ensure_ascii=False), flush=True)
