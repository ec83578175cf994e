"""R5: how far a word's influence on the next prediction reaches, by gradient and by replacing the word.

Shapes: S seeds, N windows, L tokens, D width, V vocabulary, P distances. A distance counts tokens back from the
predicted one: 1 is the last token that was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from quartet.findings.drawing import lines, log_axis, log_places, name_ends, panels, plain, reference
from quartet.findings.finding import Measured, Number
from quartet.findings.recurrence.nets import called, colour
from quartet.findings.recurrence.text import ROWS, held_out, log_probabilities, windows
from quartet.findings.seeds import Runs, of_each

LEAST = 1e-6  # below this an influence counts as this much: it comes near the rounding of single precision
NETS = ("plain", "lstm", "lstm_longer", "gru", "transformer", "cnn")


def forgetting(runs: Runs, *, windows: int, distances: Sequence[int], near: int, far: int) -> Measured:
    """Measure each net's influence by distance: means over windows of the test text, by gradient and by replacement.

    `runs`: language models, by any of the names plain, lstm, lstm_longer, gru, transformer and cnn; "lstm" and
    "transformer" among them. Windows have as many tokens as the largest distance. A number `…_far_over_near` is the
    logarithm to base 10 of the mean influence at distances from `far` on over that at distances up to `near`, in parts
    that add up over the windows: its interval covers other text too.
    """
    names, distances = [name for name in NETS if name in runs], sorted(distances)
    tokens_NL = some(runs["lstm"][0].data, windows, max(distances) + 1)
    ways = {
        "replaced": lambda run: moved(run.model, tokens_NL[:, :-1], distances),
        "gradient": lambda run: gradients(run.model, tokens_NL, distances),
    }
    found = {way: of_each(runs, measure, names) for way, measure in ways.items()}  # (S, N, P)
    shown = {way: {name: one.mean(1).clip(LEAST) for name, one in of.items()} for way, of in found.items()}  # (S, P)
    return Measured(
        numbers=numbers_of(found, distances, near=near, far=far),
        figures={
            "replaced": draw(distances, shown["replaced"], "How much of the next prediction moves when one word "
                             "is replaced", "share of the probability that moves"),
            "gradient": draw(distances, shown["gradient"], "How far the next word's log p moves with an embedding",
                             "norm of the gradient (nats a unit)"),
        },
    )  # fmt: skip


def numbers_of(
    found: Mapping[str, Mapping[str, np.ndarray]], distances: Sequence[int], *, near: int, far: int
) -> dict[str, Number]:
    """Return the numbers from the influence (S, N, P) of each way and net."""
    ways = {"replaced": ("", "the influence of a replaced token"), "gradient": ("gradient_", "the gradient")}
    numbers: dict[str, Number] = {}
    for way, (prefix, words) in ways.items():
        for name, influence_SNP in found[way].items():
            numbers[f"{name}_{prefix}far_over_near"] = Number(
                np.stack([parts(one_NP, distances, near=near, far=far) for one_NP in influence_SNP]),
                f"log10 of {words} from {far} tokens on over that up to {near}, {called(name)}",
            )
    lstm, transformer = (np.asarray(numbers[f"{name}_far_over_near"].values) for name in ("lstm", "transformer"))
    numbers["lstm_minus_transformer"] = Number(
        lstm - transformer, f"log10 of the influence from {far} tokens on over that up to {near}, LSTM less Transformer"
    )
    return numbers


def some(data: Any, count: int, length: int) -> Tensor:
    """Return windows of the test text, (N, L + 1)."""
    return windows(held_out(data, "test"), count=count, length=length)


@torch.no_grad()
def moved(model: Any, tokens_NL: Tensor, distances: Sequence[int]) -> np.ndarray:
    """Return how much of the prediction after each window moves when the token at each distance is replaced, (N, P).

    It is the total variation distance of the two predictions, from 0 to 1. The replacement is the token at the same
    place of the next window, so that replacements are as frequent as tokens are.
    """
    other_NL = tokens_NL.roll(-1, 0)
    found = [
        moved_in(model, part_NL, other, distances)
        for part_NL, other in zip(tokens_NL.split(ROWS), other_NL.split(ROWS), strict=True)
    ]
    return torch.cat(found).numpy()


def moved_in(model: Any, tokens_NL: Tensor, other_NL: Tensor, distances: Sequence[int]) -> Tensor:
    """Return the same for few windows, (N, P). The text before the replaced token is read once, from far to near."""
    length, read, state = tokens_NL.shape[1], 0, None
    before_NV = last_prediction(model, tokens_NL, None)
    found = {}
    for distance in sorted(distances, reverse=True):
        place = length - distance
        if place > read:
            _, state = model(tokens_NL[:, read:place], state)
            read = place
        changed_NL = torch.cat((other_NL[:, place : place + 1], tokens_NL[:, place + 1 :]), 1)
        found[distance] = (last_prediction(model, changed_NL, state) - before_NV).abs().sum(1) / 2
    return torch.stack([found[distance] for distance in distances], 1)


def last_prediction(model: Any, tokens_NL: Tensor, state: Any) -> Tensor:
    """Return p of the token after the given ones, (N, V) float64."""
    return log_probabilities(model(tokens_NL, state)[0][:, -1]).exp()


def gradients(model: Any, tokens_NL: Tensor, distances: Sequence[int]) -> np.ndarray:
    """Return the norm of the gradient of log p of each window's last token, (N, P), by the embedding at each distance.

    Embeddings have features of variance 1, in every net.
    """
    found = []
    for part_NL in tokens_NL.split(ROWS):
        x_NLD = model.vocabulary(part_NL[:, :-1]).detach().requires_grad_()
        y_NLD, _ = model.decoder(x_NLD)
        log_p_NV = log_probabilities(model.vocabulary.logits(y_NLD[:, -1]))
        log_p_NV.gather(1, part_NL[:, -1:]).sum().backward()
        assert x_NLD.grad is not None
        norm_NL = x_NLD.grad.norm(dim=2)
        found.append(norm_NL[:, [norm_NL.shape[1] - distance for distance in distances]])
    return torch.cat(found).double().numpy()


def parts(influence_NP: np.ndarray, distances: Sequence[int], *, near: int, far: int) -> np.ndarray:
    """Return each window's part in `far_over_near` of their mean, (N,): the jackknife's pseudo-values (Tukey 1958).

    Their mean is the logarithm, and their spread its uncertainty, as if it were a mean over windows.
    """
    count, total_P = len(influence_NP), influence_NP.sum(0)
    whole = far_over_near(total_P / count, distances, near=near, far=far)
    without_N = far_over_near((total_P - influence_NP) / (count - 1), distances, near=near, far=far)
    return count * whole - (count - 1) * without_N


def far_over_near(influence: np.ndarray, distances: Sequence[int], *, near: int, far: int) -> np.ndarray:
    """Return log10 of the mean influence at distances from `far` on over that at distances up to `near`.

    `influence` has the distances in its last dimension.
    """
    place_P, influence = np.asarray(distances), influence.clip(LEAST)
    return np.log10(influence[..., place_P >= far].mean(-1) / influence[..., place_P <= near].mean(-1))


def draw(distances: Sequence[int], influence: Mapping[str, np.ndarray], title: str, unit: str) -> Figure:
    """Draw each net's influence (S, P) against distance, both logarithmic."""
    figure, (axes,) = panels()
    plain(axes, title=f"{title} (thin: each seed)", x="tokens back from the predicted one (logarithmic)", y=unit)
    ends = [
        lines(axes, distances, influence_SP, colour=colour(name), name=called(name))
        for name, influence_SP in influence.items()
    ]
    if min(influence_SP.min() for influence_SP in influence.values()) <= LEAST:
        reference(axes, y=LEAST, text="nothing, to rounding")
    log_places(axes, distances)
    log_axis(axes, "y")
    name_ends(axes, ends)
    return figure
