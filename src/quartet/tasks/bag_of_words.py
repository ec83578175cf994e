"""The yardstick of classified texts: logistic regression on which words a text has, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

Texts = tuple[Sequence[str], Sequence[int]]  # texts and the class of each
STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # the inverse of the penalty, chosen on the validation split
STEPS = 1000  # of the optimizer; a few hundred do


def accuracy(train: Texts, val: Texts, test: Texts) -> float | None:
    """Return the accuracy on `test` of the regression that is best on `val`, the strongest penalty of equals.

    None without scikit-learn, which training does not need.
    """
    if find_spec("sklearn") is None:
        return None
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    # Any run of letters or digits is a word, as is any other visible character; sklearn's own rule drops "I" and "?".
    vectorizer = CountVectorizer(binary=True, token_pattern=r"\w+|[^\w\s]")
    x_train = vectorizer.fit_transform(train[0])
    x_val, x_test = vectorizer.transform(val[0]), vectorizer.transform(test[0])
    fitted = [LogisticRegression(C=strength, max_iter=STEPS).fit(x_train, train[1]) for strength in STRENGTHS]
    best = max(fitted, key=lambda model: model.score(x_val, val[1]))
    return float(best.score(x_test, test[1]))
