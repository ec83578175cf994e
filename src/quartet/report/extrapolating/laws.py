"""Describe how scores improve with a cost: laws that fall, each a family of shapes.

Legend: S shapes of a form, X costs. Costs are in units of the largest one that was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

HORIZON = 100.0  # up to here a law without a limit may not fall below the lowest possible score

EXPONENTS = np.geomspace(0.05, 3.0, 24)
ONSETS = (0.1, 0.5, 2.0)  # costs by which half of a curve with a slow start has fallen

# Of each form, its shapes (S, 2), and the function that falls with the cost, but for factor and offset.
FORMS: dict[str, tuple[Any, Callable[[Any, Any, Any], Any]]] = {
    "power law": (np.stack([EXPONENTS, 0 * EXPONENTS], 1), lambda x, b, _: x**-b),
    "exponential": (np.stack([np.geomspace(0.4, 8.0, 24)] * 2, 1), lambda x, rate, _: np.exp(-rate * x)),
    "logarithm": (np.zeros((1, 2)), lambda x, *_: -np.log(x) + 0 * _[0]),
    "slow start": (
        np.array([(b, onset) for b in np.geomspace(0.4, 3.0, 8) for onset in ONSETS]),
        lambda x, b, onset: 1 / (1 + (x / onset) ** b),
    ),
}


def falls(form: str, shapes: Any, x: Any, *, first: float) -> Any:
    """Return by how much each shape has still to fall at the costs `x`, in units of its fall from `first` to 1.

    It is 1 at `first`, 0 at 1 and negative beyond. `shapes` (S, 2) and `x` (X,) give (S, X).
    """
    law = FORMS[form][1]
    one, two = shapes[:, :1], shapes[:, 1:]
    end, start = law(np.ones(1), one, two), law(np.full(1, first), one, two)
    return (law(np.asarray(x, float), one, two) - end) / (start - end)


def limits(form: str, shapes: Any, *, first: float) -> Any:
    """Return the lowest value of `falls` (S,): that at an infinite cost, or at HORIZON for a law without a limit."""
    far = HORIZON if form == "logarithm" else np.inf
    return falls(form, shapes, [far], first=first)[:, 0]
