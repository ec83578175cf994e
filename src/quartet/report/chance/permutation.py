"""Test differences by permutation, which takes nothing for normally distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MAX_FLIPS = 2**14  # all sign patterns of up to 14 seeds; above 14, this many random patterns with a fixed seed


def sign_flip(d: Sequence[float]) -> float:
    """Return the two-sided p of the sign-flip permutation test over seeds, exact up to 14 seeds.

    It is the share of sign patterns whose mean lies as far from zero as the observed mean.
    """
    import numpy as np
    from scipy.stats import permutation_test

    flipped = permutation_test(
        (np.asarray(d),), np.mean, permutation_type="samples", vectorized=True, n_resamples=MAX_FLIPS, rng=0
    )
    return float(flipped.pvalue)


def mcnemar(scores_N: np.ndarray | None) -> float:
    """Return the two-sided p of McNemar's exact test of differences between answers that are right or wrong.

    Return nan for other scores. An example that one net alone has right is as likely to be either's, if they are equal:
    this is the sign-flip test over examples.
    """
    import numpy as np
    from scipy.stats import binomtest

    if scores_N is None:
        return math.nan
    discordant = scores_N[scores_N != 0]
    if not len(discordant) or np.ptp(np.abs(discordant)) > 0:
        return math.nan
    return float(binomtest(int((discordant > 0).sum()), len(discordant)).pvalue)
