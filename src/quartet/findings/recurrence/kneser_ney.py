"""n-gram models with interpolated, modified Kneser-Ney smoothing (Chen & Goodman 1999, section 4.1.6).

Written here, because packages of n-gram models count in Python's dictionaries, which takes minutes for a text of
millions of tokens; arrays take seconds. An n-gram is one whole number: its tokens, a fixed number of bits each.

Shapes: N windows, L tokens of a window, M n-grams, n order, G distinct n-grams, H distinct histories, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quartet.types import QuartetError

BITS = 62  # of a whole number that may hold an n-gram
UNKNOWN_DISCOUNT = 0.75  # where a text has no n-gram of a count that the estimate needs


@dataclass(frozen=True)
class Level:
    """The n-grams of one order with their counts, and the histories (all tokens but the last) with theirs.

    Attributes:
        gram_G, count_G: the distinct n-grams in order, and how often each counts.
        history_H, total_H: the distinct histories in order, and the sum of the counts that begin with each.
        left_H: the share of each history's probability that the discounts leave to the shorter history.
        discount_4: what is taken off a count of 0, 1, 2 and more.
    """

    gram_G: np.ndarray
    count_G: np.ndarray
    history_H: np.ndarray
    total_H: np.ndarray
    left_H: np.ndarray
    discount_4: np.ndarray

    def weigh(self, gram_M: np.ndarray, bits: int, shorter_M: np.ndarray) -> np.ndarray:
        """Return p of each n-gram's last token after its history; `shorter_M` is p after the shorter history."""
        history, known = find(self.history_H, gram_M >> bits)
        gram, counted = find(self.gram_G, gram_M)
        count_M = np.where(counted, self.count_G[gram], 0)
        kept_M = np.maximum(count_M - self.discount_4[np.minimum(count_M, 3)], 0.0)
        return np.where(known, kept_M / self.total_H[history] + self.left_H[history] * shorter_M, shorter_M)


class KneserNey:
    """Models of all orders up to `order` from the windows tokens_NL of a text, as one: counts are shared."""

    def __init__(self, tokens_NL: np.ndarray, *, vocabulary: int, order: int) -> None:
        self.vocabulary = vocabulary
        self.bits = max(1, (vocabulary - 1).bit_length())
        if order < 1 or order * self.bits > BITS:
            raise QuartetError(
                f"an n-gram of order {order} of {vocabulary} tokens is too long; 1 to {BITS // self.bits} would do"
            )
        counted = [np.unique(self.pack(grams(tokens_NL, n)), return_counts=True) for n in range(1, order + 1)]
        # A model's longest n-grams count as often as they occur, its shorter ones by the tokens that come before them.
        self.longest = [level(gram_G, count_G, self.bits) for gram_G, count_G in counted]
        self.shorter = [self._before(longer_G, n) for n, (longer_G, _) in enumerate(counted[1:], start=1)]

    def pack(self, gram_Mn: np.ndarray) -> np.ndarray:
        """Return each n-gram as a whole number, (M,)."""
        packed_M = np.zeros(len(gram_Mn), dtype=np.int64)
        for token_M in gram_Mn.T:
            packed_M = (packed_M << self.bits) | token_M.astype(np.int64)
        return packed_M

    def probability(self, gram_Mn: np.ndarray, *, order: int) -> np.ndarray:
        """Return p of the last token of each row after the `order` − 1 tokens before it, by the model of that order."""
        levels = [*self.shorter[: order - 1], self.longest[order - 1]]
        p_M = np.full(len(gram_Mn), 1.0 / self.vocabulary)
        for n, one in enumerate(levels, start=1):
            p_M = one.weigh(self.pack(gram_Mn[:, gram_Mn.shape[1] - n :]), self.bits, p_M)
        return p_M

    def bits_of(self, tokens_NL: np.ndarray, *, order: int, scored: int) -> np.ndarray:
        """Return −log2 p of each of the last `scored` tokens of each window, (N, scored), in one order."""
        gram_Mn = grams(tokens_NL[:, -(scored + order - 1) :], order)
        return -np.log2(self.probability(gram_Mn, order=order)).reshape(len(tokens_NL), scored)

    def _before(self, longer_G: np.ndarray, n: int) -> Level:
        """Return the level of the n-grams that end the distinct longer ones, counted once for each of these."""
        ending = longer_G & ((1 << (n * self.bits)) - 1)
        gram_G, count_G = np.unique(ending, return_counts=True)
        return level(gram_G, count_G, self.bits)


def grams(tokens_NL: np.ndarray, n: int) -> np.ndarray:
    """Return all n-grams within the windows, (M, n), window by window."""
    return np.lib.stride_tricks.sliding_window_view(tokens_NL, n, axis=1).reshape(-1, n)


def level(gram_G: np.ndarray, count_G: np.ndarray, bits: int) -> Level:
    """Return the level of distinct n-grams with their counts: histories, and what discounts leave to shorter ones."""
    discount_4 = discounts(count_G)
    history_H, first_H = np.unique(gram_G >> bits, return_index=True)
    total_H = np.add.reduceat(count_G, first_H)
    taken_H = np.add.reduceat(discount_4[np.minimum(count_G, 3)], first_H)
    return Level(gram_G, count_G, history_H, total_H, taken_H / total_H, discount_4)


def discounts(count_G: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return what is taken off a count of 0, 1, 2 and more, (4,), from how many n-grams have each of the counts 1 to 4.

    Chen & Goodman 1999, equation 26. Where one of these counts does not occur, or the estimate is not within 0 and the
    count, the discount is `UNKNOWN_DISCOUNT`.
    """
    having = [int(np.sum(np.asarray(count_G) == count)) for count in range(1, 5)]
    found = [0.0]
    for count in (1, 2, 3):
        here, more = having[count - 1], having[count]
        share = having[0] / (having[0] + 2 * having[1]) if having[0] else 0.0
        taken = count - (count + 1) * share * more / here if here and more else UNKNOWN_DISCOUNT
        found.append(taken if 0 < taken <= count else UNKNOWN_DISCOUNT)
    return np.array(found)


def find(sorted_G: np.ndarray, wanted_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each wanted number lies among sorted ones, and whether it is one of them."""
    place_M = np.minimum(np.searchsorted(sorted_G, wanted_M), len(sorted_G) - 1)
    return place_M, sorted_G[place_M] == wanted_M
