"""R1: let a net read prompts of very different lengths, and see what it predicts after them.

Shapes: S seeds, N prompts, P lengths, L tokens of a prompt, K targets after it, M tokens read alone, V
vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils._pytree import tree_leaves

from quartet.findings.drawing import lines, log_places, name_ends, panels, plain, reference
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.recurrence.nets import called, colour
from quartet.findings.recurrence.text import ROWS, held_out, losses, training_windows, windows, write_on
from quartet.findings.seeds import Runs, of_each, one_a_seed
from quartet.types import QuartetError

TEMPERATURE = 0.8  # of the completions
SHOWN = 120  # characters of a prompt on the page, its last ones


def any_length(
    runs: Runs,
    *,
    lengths: Sequence[int],
    trained: int,
    prompts: int,
    targets: int,
    alone: int,
    tokens: int,
) -> Measured:
    """Measure the loss of the same targets after prompts of each of `lengths` tokens, and the size of the state.

    `runs`: "lstm" and "transformer", language models. `trained`, one of the lengths, is that of training windows. The
    losses are means over the `targets` tokens that follow a prompt, nats. What reading gains is measured on the last
    `alone` targets of a window of `trained` tokens, at most `trained`: read as a whole, and each token alone.
    """
    if trained not in lengths:
        raise QuartetError(f"measure.trained: {trained} is not among measure.lengths; add it there")
    names = ("lstm", "transformer")
    lengths = sorted(lengths)
    window_NL = windows(held_out(runs["lstm"][0].data, "test"), count=prompts, length=lengths[-1] + targets)
    loss = of_each(
        runs, lambda run: [loss_after(run.model, window_NL, length, targets) for length in lengths], names
    )  # (S, P, N)
    alone = min(alone, trained)
    single = of_each(runs, lambda run: loss_alone(run.model, window_NL[:, -(alone + 1) :]), names)  # (S, N)
    whole = of_each(runs, lambda run: loss_after(run.model, window_NL, trained + 1 - alone, alone), names)  # (S, N)
    unigram_N = unigram_loss(runs["lstm"][0].data, window_NL[:, -alone:])
    read_1L = window_NL[:1, :trained]
    growth = of_each(runs, lambda run: state_size(run.model, read_1L) / state_size(run.model, read_1L[:, :1]), names)
    return Measured(
        numbers=numbers_of(loss, growth, lengths, trained) | reading(single, whole, unigram_N),
        figures={"loss by length": draw(lengths, {name: loss[name].mean(2) for name in names}, trained)},
        texts=completions(one_a_seed(runs, "lstm")[0], window_NL, lengths, tokens),
    )


def numbers_of(
    loss: Mapping[str, np.ndarray], growth: Mapping[str, np.ndarray], lengths: Sequence[int], trained: int
) -> dict[str, Number]:
    """Return the numbers from the loss (S, P, N) and the growth of the state (S,) of each net."""
    at, numbers = lengths.index(trained), {}
    for name, loss_SPN in loss.items():
        words = called(name)
        numbers[f"{name}_loss_beyond_training"] = Number(
            loss_SPN[:, -1] - loss_SPN[:, at],
            f"loss after {lengths[-1]} tokens less that after {trained}, nats a token, {words}",
        )
        numbers[f"{name}_state_growth"] = Number(
            growth[name], f"size of the state after {trained} tokens over that after one, {words}"
        )
    return numbers


def reading(
    single: Mapping[str, np.ndarray], whole: Mapping[str, np.ndarray], unigram_N: np.ndarray
) -> dict[str, Number]:
    """Return what a whole window adds to a single token, and a single token to none, from the losses (S, N)."""
    numbers = {}
    for name in single:
        numbers[f"{name}_gain_from_reading"] = Number(
            single[name] - whole[name],
            f"loss after one token alone less that after all of a window, same targets, nats a token, {called(name)}",
        )
        numbers[f"{name}_one_word_minus_unigram"] = Number(
            single[name] - unigram_N,
            f"loss after one token alone less that of tokens' frequencies in training, nats a token, {called(name)}",
        )
    return numbers


@torch.no_grad()
def loss_after(model: Any, window_NL: Tensor, length: int, targets: int) -> np.ndarray:
    """Return the mean loss of each window's last `targets` tokens after the `length` tokens before them, nats, (N,).

    A net that refuses the length is given the loss of a blind guess among all tokens.
    """
    read_NL = window_NL[:, window_NL.shape[1] - targets - length :]
    found = []
    for part_NL in read_NL.split(ROWS):
        try:
            logits_NLV, _ = model(part_NL[:, :-1])
        except QuartetError:
            blind = np.log(model.vocabulary.embedding.num_embeddings)
            return np.full(len(window_NL), blind)
        found.append(losses(logits_NLV[:, -targets:], part_NL[:, -targets:]).mean(1))
    return torch.cat(found).numpy()


@torch.no_grad()
def loss_alone(model: Any, tokens_NL: Tensor) -> np.ndarray:
    """Return the mean loss of each window's tokens but the first, each after the one before it alone, nats, (N,)."""
    found = []
    for part_NL in tokens_NL.split(ROWS):
        target_NL = part_NL[:, 1:]
        logits_M1V, _ = model(part_NL[:, :-1].reshape(-1, 1))
        found.append(losses(logits_M1V, target_NL.reshape(-1, 1)).view(target_NL.shape).mean(1))
    return torch.cat(found).numpy()


def unigram_loss(data: Any, target_NL: Tensor) -> np.ndarray:
    """Return the mean −log p of each window's targets, nats, (N,), by how often each token occurs in training.

    Each token counts once more than it occurs, so that none is impossible.
    """
    count_V = training_windows(data)[:, 1:].flatten().bincount(minlength=data.inputs.vocabulary) + 1.0
    return -(count_V / count_V.sum()).double().log()[target_NL].mean(1).numpy()


@torch.no_grad()
def state_size(model: Any, tokens_NL: Tensor) -> int:
    """Return how many numbers the model hands on after the tokens."""
    return sum(leaf.numel() for leaf in tree_leaves(model(tokens_NL)[1]) if isinstance(leaf, Tensor))


def completions(run: Trained, window_NL: Tensor, lengths: Sequence[int], tokens: int) -> dict[str, str]:
    """Return what the net writes after the first window's last tokens, by a short, a middle and the longest prompt."""
    tokenizer, found = run.data.tokenizer, {}
    for i, length in enumerate((lengths[0], lengths[len(lengths) // 2], lengths[-1])):
        prompt = window_NL[0, -length:].tolist()
        begin = tokenizer.decode(prompt)
        try:
            (drawn,) = write_on(run.model, [prompt], tokens=tokens, temperature=TEMPERATURE, seed=i)
            more = tokenizer.decode([*prompt, *drawn])[len(begin) :]
        except QuartetError as error:
            more = f" refused: {error}"
        end = begin if len(begin) < SHOWN else f"… {begin[-SHOWN:]}"
        found[f"After {length} tokens of the test text (the prompt, then | and what the net wrote)"] = f"{end}|{more}"
    return found


def draw(lengths: Sequence[int], loss: Mapping[str, np.ndarray], trained: int) -> Figure:
    """Draw each net's loss (S, P) against the tokens that it read."""
    figure, (axes,) = panels()
    plain(
        axes,
        title="The same words predicted after shorter and longer prompts (thin: each seed)",
        x="tokens read before (logarithmic)", y="loss of the words after them (nats a token)",
    )  # fmt: skip
    ends = [lines(axes, lengths, loss_SP, colour=colour(name), name=called(name)) for name, loss_SP in loss.items()]
    log_places(axes, lengths)
    reference(axes, x=trained, text="longest text in training", side="right")
    name_ends(axes, ends)
    return figure
