"""Say how figures call and colour the nets of these findings."""

from __future__ import annotations

from quartet.findings.drawing import MLP, NETS, OTHER, RNN

COLOURS = {
    **NETS,
    "lstm": RNN,
    "lstm_longer": "#7a1c14",
    "gru": "#c2571a",
    "plain": "#b0327a",
    "bag": MLP,
    "ngram": MLP,
}
NAMES = {
    "lstm": "LSTM", "lstm_longer": "larger LSTM, trained longer", "gru": "GRU", "plain": "plain RNN",
    "transformer": "Transformer", "cnn": "CNN", "rnn": "RNN", "untrained": "untrained RNN",
    "bag": "bag of words", "counts": "counts of words", "ngram": "n-gram",
}  # fmt: skip


def colour(name: str) -> str:
    """Return the colour of a net by the name of its run."""
    return COLOURS.get(name, OTHER)


def called(name: str) -> str:
    """Return the words for a net by the name of its run."""
    return NAMES.get(name, name)
