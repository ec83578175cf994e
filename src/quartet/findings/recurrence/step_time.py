"""R6: the time of a training step and of a written token against the length of the text, on the machine at hand.

Shapes: S seeds, P lengths, N sequences of a batch, L tokens.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from quartet.findings.drawing import lines, log_axis, log_places, name_ends, panels, plain
from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.recurrence.nets import called, colour
from quartet.findings.seeds import Runs, side_by_side
from quartet.types import UNK, QuartetError

NETS = ("lstm", "transformer")
WAYS = ("same", "one", "token")  # a step of the same number of tokens, a step of one sequence, a written token


def step_time(
    runs: Runs,
    *,
    lengths: Sequence[int],
    tokens: int,
    compared: int,
    repeats: int,
    generated: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Measure seconds by length, three ways, for "lstm" and "transformer" of each seed, in turn.

    A training step is forward, backward and an update by AdamW, on drawn tokens. Its `tokens` tokens come in sequences
    of each length, so that only the order in which the work must be done differs; and again one sequence at a time. A
    token is written from the state that so many tokens have left; its time is the mean of `generated` ones. The
    shortest of `repeats` counts. Ratios are logarithms, as times are never below zero and spread upwards; exponents are
    slopes of the logarithm of the time over that of the length. `clock` returns seconds.
    """
    if compared not in lengths:
        raise QuartetError(f"measure.compared: {compared} is not among measure.lengths; add it there")
    lengths = sorted(lengths)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pairs = zip(*side_by_side(runs, *NETS).values(), strict=True)
    drawn = {"tokens": tokens, "repeats": repeats, "generated": generated}
    taken = np.stack([times(pair, lengths, **drawn, clock=clock, device=device) for pair in pairs])
    seconds = {(way, name): taken[:, i, k] for i, way in enumerate(WAYS) for k, name in enumerate(NETS)}  # (S, P) each
    return Measured(
        numbers=numbers_of(seconds, lengths, compared),
        figures={
            "training": draw_training(lengths, seconds, tokens),
            "writing": draw_writing(lengths, seconds),
        },
    )


def times(
    runs: Sequence[Trained],
    lengths: Sequence[int],
    *,
    tokens: int,
    repeats: int,
    generated: int,
    clock: Callable[[], float],
    device: torch.device,
) -> np.ndarray:
    """Return the shortest seconds, (way, net, length); nets take turns, so that other work disturbs them alike."""
    nets = [Timed(run, device, clock) for run in runs]
    generator = torch.Generator().manual_seed(0)
    found = np.full((len(WAYS), len(nets), len(lengths)), np.inf)
    for p, length in enumerate(lengths):
        for turn in range(repeats + 1):
            for k, net in enumerate(nets):
                rows_NL = net.draw(max(1, tokens // length), length + 1, generator)
                once = net.step(rows_NL), net.step(rows_NL[:1]), net.write(rows_NL[:1, :-1], generated)
                if turn:  # the first warms up
                    found[:, k, p] = np.minimum(found[:, k, p], once)
    return found


class Timed:
    """Copies of a run's model on a device, one that learns and one that writes; each call returns its seconds."""

    def __init__(self, run: Trained, device: torch.device, clock: Callable[[], float]) -> None:
        self.device, self.clock = device, clock
        self.vocabulary = run.data.inputs.vocabulary
        self.writing: Any = copy.deepcopy(run.model).to(device)
        self.learning: Any = copy.deepcopy(run.model).to(device).train().requires_grad_(True)
        self.optimizer = torch.optim.AdamW(self.learning.parameters(), lr=0.0, fused=True)

    def draw(self, count: int, length: int, generator: torch.Generator) -> Tensor:
        """Return random tokens (count, length): what is read does not change how long it takes."""
        return torch.randint(UNK + 1, self.vocabulary, (count, length), generator=generator).to(self.device)

    def step(self, tokens_NL: Tensor) -> float:
        """Take a training step on the batch."""
        start = self._now()
        logits_NLV, _ = self.learning(tokens_NL[:, :-1])
        self.optimizer.zero_grad()
        F.cross_entropy(logits_NLV.flatten(0, 1), tokens_NL[:, 1:].flatten()).backward()
        self.optimizer.step()
        return self._now() - start

    @torch.no_grad()
    def write(self, tokens_1L: Tensor, count: int) -> float:
        """Write `count` tokens after the given ones, the likeliest each; return the mean seconds of one."""
        logits_1LV, state = self.writing(tokens_1L)
        start = self._now()
        for _ in range(count):
            logits_1LV, state = self.writing(logits_1LV[:, -1:].argmax(-1), state)
        return (self._now() - start) / count

    def _now(self) -> float:
        """Return the time in seconds, once the device has done its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return self.clock()


def numbers_of(
    seconds: Mapping[tuple[str, str], np.ndarray], lengths: Sequence[int], compared: int
) -> dict[str, Number]:
    """Return the numbers from seconds (S, P) by way and net."""
    at = list(lengths).index(compared)
    slope = {key: exponent(lengths, seconds_SP) for key, seconds_SP in seconds.items()}
    lstm_SP = seconds["same", "lstm"]
    numbers = {
        "lstm_over_transformer": Number(
            np.log2(lstm_SP[:, at] / seconds["same", "transformer"][:, at]),
            f"log2 of the time of a training step in sequences of {compared} tokens, LSTM over Transformer",
        ),
        "lstm_long_over_short": Number(
            np.log2(lstm_SP[:, -1] / lstm_SP[:, 0]),
            f"log2 of the time of a training step of the LSTM, in sequences of {lengths[-1]} tokens over {lengths[0]}",
        ),
        "exponent_lstm_minus_transformer": Number(
            slope["same", "lstm"] - slope["same", "transformer"],
            "exponent of a step's time by length, at the same number of tokens, LSTM less Transformer",
        ),
    }
    about = {
        "same": "a training step of the same number of tokens",
        "one": "a training step of one sequence",
        "token": "a written token",
    }
    for (way, name), slope_S in slope.items():
        said = f"exponent of the time of {about[way]} by length, {called(name)}"
        numbers[f"exponent_{way}_{name}"] = Number(slope_S, said)
    return numbers


def exponent(lengths: Sequence[int], seconds_SP: np.ndarray) -> np.ndarray:
    """Return b of the least-squares fit log(time) = a + b log(length), (S,): 1 is linear, 2 quadratic."""
    x_P = np.log(np.asarray(lengths, dtype=float))
    x_P = x_P - x_P.mean()
    return np.log(seconds_SP) @ x_P / (x_P @ x_P)


def draw_training(lengths: Sequence[int], seconds: Mapping[tuple[str, str], np.ndarray], tokens: int) -> Figure:
    """Draw the time of a training step against length: of the same number of tokens, and of one sequence."""
    figure, panels_of = panels(2, height=3.8)
    titles = {"same": f"A step of {tokens} tokens (thin: each seed)", "one": "A step of one sequence"}
    for axes, (way, title) in zip(panels_of, titles.items(), strict=True):
        plain(axes, title=title, x="tokens of a sequence", y="milliseconds a training step" if way == "same" else "")
        axes.tick_params(axis="x", labelrotation=45)
        draw_lines(axes, lengths, {name: seconds[way, name] for name in NETS})
    return figure


def draw_writing(lengths: Sequence[int], seconds: Mapping[tuple[str, str], np.ndarray]) -> Figure:
    """Draw the time of a written token against the length of the text before it."""
    figure, (axes,) = panels()
    title = "Writing a token after a text (thin: each seed)"
    plain(axes, title=title, x="tokens of the text before it", y="milliseconds a token")
    draw_lines(axes, lengths, {name: seconds["token", name] for name in NETS})
    return figure


def draw_lines(axes: Any, lengths: Sequence[int], seconds: Mapping[str, np.ndarray]) -> None:
    """Draw seconds (S, P) of each net as milliseconds, on logarithmic axes with plain numbers."""
    ends = [
        lines(axes, lengths, 1000 * seconds_SP, colour=colour(name), name=called(name))
        for name, seconds_SP in seconds.items()
    ]
    log_places(axes, lengths)
    log_axis(axes, "y")
    name_ends(axes, ends)
