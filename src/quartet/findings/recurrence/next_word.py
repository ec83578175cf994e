"""R4: what a recurrent net predicts beside n-gram models of the same text, and what it writes by itself.

Shapes: S seeds, N windows, L tokens of a window, K scored tokens, C tokens of a short context, M contexts,
V vocabulary, O orders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from quartet.findings.drawing import RNN, curves, name_ends, panels, plain, reference
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.recurrence.kneser_ney import KneserNey
from quartet.findings.recurrence.nets import colour
from quartet.findings.recurrence.text import (
    ROWS,
    held_out,
    losses,
    step_losses,
    training_windows,
    windows,
    write_on,
)
from quartet.findings.seeds import Runs, by_seed, curve, one_a_seed
from quartet.types import QuartetError

PROMPT = "The cat eats"  # the article's
TEMPERATURE = 0.8
LABELS = {"lstm": "LSTM", "short": "smaller LSTM, shorter training"}
KNOWN = "share of the words written that occur in the training text"
SHOWN = 5  # completions of the test text on the page, the first ones


@dataclass(frozen=True)
class Counted:
    """n-gram models of the training text: bits per character by order on validation and test text, and the chosen one.

    `bits_ON`: bits per character of each order and test window.
    """

    validation_O: np.ndarray
    bits_ON: np.ndarray
    chosen: int

    @property
    def context(self) -> int:
        """How many tokens the chosen model looks at; one where it looks at none, as a net has to read something."""
        return max(1, self.chosen - 1)


def next_word(
    runs: Runs,
    *,
    orders: Sequence[int],
    windows: int,
    warm: int,
    scored: int,
    opening: int,
    completions: int,
    tokens: int,
) -> Measured:
    """Measure bits per character on the test text, net and n-gram models, and the words that the net writes.

    `runs`: "lstm", a recurrent language model, and others that are shown beside it. Each of the windows gives `warm`
    tokens to read and `scored` to predict. The net reads one token at a time, so that it cannot see what it predicts.
    n-gram models of the whole training text are those of `kneser_ney`; the order is chosen on the validation text. The
    LSTM predicts each scored token once more from no more tokens than the chosen model looks at.
    """
    data, orders = runs["lstm"][0].data, list(orders)
    test_NL = some(data, "test", windows, warm + scored)
    seen_NL = training_windows(data)
    counted = count_ngrams(seen_NL, data, test_NL, orders=orders, scored=scored)
    length = mean_characters(data.tokenizer, test_NL[:, -scored:])
    net = {name: by_seed(of, lambda run: net_bits(run.model, test_NL, scored) / length) for name, of in runs.items()}
    short_SN = by_seed(runs["lstm"], lambda run: short_bits(run.model, test_NL, scored, counted.context) / length)
    words = set(found_words(data.tokenizer, seen_NL))
    openings_NL = some(data, "test", completions, opening)
    written = by_seed(runs["lstm"], lambda run: share_known(texts_of(run, openings_NL, tokens), words))  # (S,)
    first = one_a_seed(runs, "lstm")[0]
    return Measured(
        numbers={**numbers_of(net, short_SN, counted, orders), "words_known": Number(written, KNOWN)},
        figures={
            "bits": draw(orders, counted, {name: bits_SN.mean(1) for name, bits_SN in net.items()}),
            "training": draw_training(runs["lstm"], counted),
        },
        texts=shown_completions(first, openings_NL, tokens),
    )


def numbers_of(
    net: Mapping[str, np.ndarray], short_SN: np.ndarray, counted: Counted, orders: list[int]
) -> dict[str, Number]:
    """Return the numbers from bits per character (S, N) of the nets, of the LSTM with a short context, of n-grams."""
    best, least = orders.index(counted.chosen), int(np.argmin(orders))
    numbers = {
        "lstm_minus_ngram": Number(
            net["lstm"] - counted.bits_ON[best],
            f"bits per character of held-out text, LSTM less the best n-gram model (order {counted.chosen})",
        ),
        "lstm_minus_unigram": Number(
            net["lstm"] - counted.bits_ON[least], f"the same, LSTM less the n-gram model of order {orders[least]}"
        ),
        "lstm_minus_short_context": Number(
            net["lstm"] - short_SN,
            f"the same, LSTM less itself from an empty state and the last tokens alone ({counted.context})",
        ),
    }
    for name, bits_SN in net.items():
        said = f"bits per character of held-out text, {LABELS.get(name, name)}"
        numbers[f"bits_per_character_{name}"] = Number(bits_SN, said)
    return numbers


def some(data: Any, split: str, count: int, length: int) -> Tensor:
    """Return windows of a split, (N, L)."""
    return windows(held_out(data, split), count=count, length=length)


def count_ngrams(seen_NL: Tensor, data: Any, test_NL: Tensor, *, orders: list[int], scored: int) -> Counted:
    """Return n-gram models' bits per character; the chosen order has the fewest on the validation text."""
    model = KneserNey(seen_NL.numpy(), vocabulary=data.inputs.vocabulary, order=max(orders))
    val_NL = some(data, "val", len(test_NL), test_NL.shape[1])
    both = []
    for read_NL in (val_NL, test_NL):
        length = mean_characters(data.tokenizer, read_NL[:, -scored:])
        rows = [model.bits_of(read_NL.numpy(), order=order, scored=scored).sum(1) / length for order in orders]
        both.append(np.stack(rows))
    validation_O = both[0].mean(1)
    return Counted(validation_O, both[1], orders[int(validation_O.argmin())])


def mean_characters(tokenizer: Any, tokens_NL: Tensor) -> float:
    """Return the mean number of characters of a window's tokens."""
    return float(np.mean([len(tokenizer.decode(row)) for row in tokens_NL.tolist()]))


def net_bits(model: Any, tokens_NL: Tensor, scored: int) -> np.ndarray:
    """Return the bits of each window's last `scored` tokens together, (N,), read one token at a time."""
    return step_losses(model, tokens_NL)[:, -scored:].sum(1).numpy() / np.log(2)


@torch.no_grad()
def short_bits(model: Any, tokens_NL: Tensor, scored: int, context: int) -> np.ndarray:
    """Return the same, (N,), where each scored token is predicted from an empty state and the `context` tokens before.

    Raises QuartetError where fewer tokens come before the scored ones.
    """
    warm = tokens_NL.shape[1] - scored
    if warm < context:
        raise QuartetError(f"measure.warm: {warm} tokens before the scored ones, make it at least {context}")
    found = []
    for part_NL in tokens_NL.split(ROWS):
        read_NKC = part_NL[:, warm - context : -1].unfold(1, context, 1)
        logits_MCV, _ = model(read_NKC.flatten(0, 1))
        found.append(losses(logits_MCV[:, -1:], part_NL[:, warm:].reshape(-1, 1)).view(-1, scored).sum(1))
    return torch.cat(found).numpy() / np.log(2)


def texts_of(run: Trained, openings_NL: Tensor, tokens: int) -> list[str]:
    """Return what the net writes after each opening."""
    tokenizer, found = run.data.tokenizer, []
    drawn = write_on(run.model, openings_NL.tolist(), tokens=tokens, temperature=TEMPERATURE, seed=run.seed)
    for opening, more in zip(openings_NL.tolist(), drawn, strict=True):
        text = tokenizer.decode([*opening, *more])
        found.append(text[len(tokenizer.decode(opening)) :])
    return found


def found_words(tokenizer: Any, tokens_NL: Tensor) -> list[str]:
    """Return the words of windows of text, in small letters; those that a window's ends may cut are left out."""
    return [word for row in tokens_NL.tolist() for word in whole_words(tokenizer.decode(row))]


def whole_words(text: str) -> list[str]:
    """Return a text's words without the first and the last, which may be parts of words."""
    return re.findall(r"[a-z']+", text.lower())[1:-1]


def share_known(texts: Sequence[str], words: set[str]) -> float:
    """Return the share of the texts' words that are among `words`; 0 without a word."""
    written = [word for text in texts for word in whole_words(text)]
    return float(np.mean([word in words for word in written])) if written else 0.0


def shown_completions(run: Trained, openings_NL: Tensor, tokens: int) -> dict[str, str]:
    """Return the article's prompt and the first openings of the test text, continued: shown, not chosen."""
    prompt = run.data.tokenizer.encode(PROMPT)
    (drawn,) = write_on(run.model, [prompt], tokens=tokens, temperature=TEMPERATURE, seed=run.seed + 1000)
    found = {f"{PROMPT} …": run.data.tokenizer.decode([*prompt, *drawn])}
    for i, text in enumerate(texts_of(run, openings_NL, tokens)[:SHOWN]):
        found[f"{run.data.tokenizer.decode(openings_NL[i].tolist())} … (test text, place {i + 1})"] = text
    return found


def draw(orders: list[int], counted: Counted, net: Mapping[str, np.ndarray]) -> Figure:
    """Draw bits per character of n-gram models against their order, and those of nets as level lines, one a seed."""
    figure, (axes,) = panels()
    plain(
        axes, title="How many bits a character of new text costs", x="order of the n-gram model (tokens)",
        y="bits per character of test text",
    )  # fmt: skip
    bits_O = counted.bits_ON.mean(1)
    axes.plot(orders, bits_O, color=colour("ngram"), marker="o", lw=2)
    chosen = bits_O[orders.index(counted.chosen)]
    axes.plot(counted.chosen, chosen, "o", ms=13, mfc="none", color=colour("ngram"))
    words = "n-gram models\n(Kneser-Ney); ring:\nchosen by validation"
    ends = [(orders[-1], float(bits_O[-1]), words, colour("ngram"))]
    for name, bits_S in net.items():
        for bits in bits_S:
            axes.plot([orders[0], orders[-1]], [bits, bits], color=RNN, lw=1.2, ls="-" if name == "lstm" else "--")
        words = f"{LABELS.get(name, name)}, each seed".replace(", ", ",\n")
        ends.append((orders[-1], float(bits_S.mean()), words, RNN))
    axes.set_xticks(list(orders))
    name_ends(axes, ends)
    return figure


def draw_training(nets: Sequence[Trained], counted: Counted) -> Figure:
    """Draw the nets' bits per character on validation text through training, and the n-gram model's as a line."""
    figure, (axes,) = panels()
    plain(
        axes, title="When the net overtakes the n-gram model, if it does (thin: each seed)",
        x="thousand windows of text read in training", y="bits per character of validation text",
    )  # fmt: skip
    end = curves(axes, [curve(run, "val/bits_per_character") for run in nets], colour=RNN, name="LSTM")
    best = counted.validation_O.min()
    reference(axes, y=best, text=f"n-gram model, order {counted.chosen}", colour=colour("ngram"))
    name_ends(axes, [end])
    return figure
