"""Kneser-Ney against its formula written out for single n-grams, and against what makes it what it is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from quartet.findings.recurrence.kneser_ney import UNKNOWN_DISCOUNT, KneserNey, discounts
from quartet.types import QuartetError

V = 6
TEXT_NL = np.random.default_rng(0).choice(V, (3, 120), p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03])


def by_hand(gram: tuple[int, ...], *, top: bool) -> float:
    """p of the last token after the others: Chen & Goodman 1999, in dictionaries, one n-gram at a time."""
    if not gram:
        return 1 / V
    n = len(gram)
    longer = {tuple(row[i : i + n + 1]) for row in TEXT_NL.tolist() for i in range(len(row) - n)}
    whole = Counter(tuple(row[i : i + n]) for row in TEXT_NL.tolist() for i in range(len(row) - n + 1))
    count = whole if top else Counter(one[1:] for one in longer)
    off = discounts(np.array(list(count.values())))
    after = {one: times for one, times in count.items() if one[:-1] == gram[:-1]}
    shorter = by_hand(gram[1:], top=False)
    if not after:
        return shorter
    total = sum(after.values())
    left = sum(off[min(times, 3)] for times in after.values()) / total
    return max(count[gram] - off[min(count[gram], 3)], 0) / total + left * shorter


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_the_formula(order: int) -> None:
    model = KneserNey(TEXT_NL, vocabulary=V, order=4)
    drawn_M4 = np.random.default_rng(1).integers(0, V, (40, 4))
    expected = [by_hand(tuple(row[-order:].tolist()), top=True) for row in drawn_M4]
    np.testing.assert_allclose(model.probability(drawn_M4, order=order), expected, rtol=1e-12)


@pytest.mark.parametrize("history", [(0, 1, 0), (5, 5, 5), (3, 2, 4)])
def test_probabilities_add_up_to_one(history: tuple[int, ...]) -> None:
    model = KneserNey(TEXT_NL, vocabulary=V, order=4)
    rows = np.array([(*history, token) for token in range(V)])
    assert model.probability(rows, order=4).sum() == pytest.approx(1.0)


def test_a_token_that_follows_one_other_alone_is_unlikely_after_new_ones() -> None:
    """'Francisco' is frequent, but only after 'San': Kneser & Ney's reason for their counts of shorter histories."""
    san, francisco, glasses, *others = range(10)
    text = [token for one in others for token in (one, glasses, one, san, francisco, san, francisco)]
    model = KneserNey(np.array([text]), vocabulary=10, order=2)
    after_new = model.probability(np.array([[francisco, glasses], [glasses, francisco]]), order=2)
    assert text.count(francisco) > text.count(glasses)
    assert after_new[0] > after_new[1]


def test_bits_of_windows_are_those_of_their_tokens() -> None:
    model = KneserNey(TEXT_NL, vocabulary=V, order=3)
    bits_N2 = model.bits_of(TEXT_NL[:, :7], order=3, scored=2)
    assert bits_N2.shape == (3, 2)
    assert bits_N2[1, 0] == pytest.approx(-np.log2(model.probability(TEXT_NL[1:2, 3:6], order=3)[0]))


def test_discounts_follow_the_counts_of_counts() -> None:
    counts = [1] * 40 + [2] * 10 + [3] * 5 + [4] * 2
    share = 40 / (40 + 2 * 10)
    expected = [0.0, 1 - 2 * share * 10 / 40, 2 - 3 * share * 5 / 10, 3 - 4 * share * 2 / 5]
    np.testing.assert_allclose(discounts(counts), expected)
    assert discounts([5, 6]).tolist() == [0.0, *[UNKNOWN_DISCOUNT] * 3]


def test_an_order_that_does_not_fit_is_refused() -> None:
    with pytest.raises(QuartetError, match=r"order 7 of 1024 tokens is too long; 1 to 6 would do"):
        KneserNey(TEXT_NL, vocabulary=1024, order=7)
