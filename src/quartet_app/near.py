"""Suggest the nearest known name for one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_LISTED = 24


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return "did you mean X? (there are …)", or only the list of known names where none is similar to `name`.

    `prefix` comes before X, such as "net." before a key of the net.
    """
    names = [str(name) for name in known]
    near = difflib.get_close_matches(name, names, n=1)
    listed = ", ".join(names[:MOST_LISTED]) or "none"
    if len(names) > MOST_LISTED:
        listed += f" and {len(names) - MOST_LISTED} more"
    return f"did you mean {prefix}{near[0]}? (there are {listed})" if near else f"there are {listed}"
