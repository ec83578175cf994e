"""Shapes from JSON, and answers as lines of JSON, for several roles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from quartet.types import Pixels, Series, Tokens


def spec_of(held: Mapping[str, Any]) -> Pixels | Series | Tokens:
    """Return the images, series or texts of a description; older descriptions of series have no mean and deviation."""
    if "vocabulary" in held:
        return Tokens(**held)
    spec: dict[str, Any] = {**held, **{key: tuple(held[key]) for key in ("mean", "std") if key in held}}
    return Series(**spec) if "length" in spec else Pixels(**spec)


def say(facts: dict[str, Any]) -> None:
    """Print an answer as a line of JSON."""
    print(json.dumps(facts, ensure_ascii=False), flush=True)
