"""Do Transformers need very large data sets? Held-out loss of three nets against the size of the training set.

Every net of a task has the same number of parameters and, at each size, the same budget: either the same number of
samples for all sizes, so that a small set is read more often, or the same number of epochs. The weights are those with
the best validation loss, so that a net which overfits is stopped in time.

Shapes: S seeds, G sizes of the training set, from small to all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from quartet.findings.drawing import NETS, End, log_places, name_ends, panels, plain
from quartet.findings.finding import Measured, Number
from quartet.findings.seeds import Runs
from quartet.types import QuartetError

TASKS = {"translation": "translation", "text": "next token"}
BUDGETS = {"equal": "equal budgets", "epochs": "equal epochs"}
OTHERS = ("rnn", "cnn")
CALLED = {"transformer": "Transformer", "rnn": "RNN", "cnn": "CNN"}
LIMIT = "data.loading.limit_train"
BEYOND = 0.5  # decades beyond the measured sizes: where a crossing is put that lies outside of them


def data_hunger(runs: Runs, *, metric: str = "test/loss") -> Measured:
    """Measure how a Transformer's loss falls with more data, beside that of an RNN and a CNN.

    Args:
        runs: by `<task>_<net>_<budget>`, of several `data.loading.limit_train`. The largest size at equal epochs is
            taken from the equal budgets where it is not among them.
        metric: a loss, in nats per token.
    """
    numbers: dict[str, Number] = {}
    drawn = {}
    for task in TASKS:
        for budget in BUDGETS:
            share_G, loss = losses_by_size(runs, task, budget, metric)
            drawn[task, budget] = share_G, loss
            numbers |= compared(share_G, loss, prefix=f"{task}_{budget}", words=f"{TASKS[task]}, {BUDGETS[budget]}")
    return Measured(numbers, {"sizes": figure(drawn)})


def losses_by_size(runs: Runs, task: str, budget: str, metric: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the sizes as shares of the largest (G,), and each net's losses (S, G)."""
    found, sizes = {}, None
    for net in CALLED:
        of_size: dict[float, dict[int, float]] = {}
        for name in (f"{task}_{net}_equal", f"{task}_{net}_{budget}"):
            for run in runs[name]:
                of_size.setdefault(size_of(run.values[LIMIT]), {})[run.seed] = run.metrics[metric]
        own = sorted(of_size)
        if budget != "equal":  # of the equal budgets, the largest size alone
            taken = {size_of(run.values[LIMIT]) for run in runs[f"{task}_{net}_{budget}"]} | {own[-1]}
            own = [size for size in own if size in taken]
        seeds = sorted(of_size[own[0]])
        if (sizes or own) != own or any(sorted(of_size[size]) != seeds for size in own):
            raise QuartetError(
                f"runs: {task}_{net}_{budget} lacks a size or a seed that others have; train all of them"
            )
        sizes = own
        found[net] = np.array([[of_size[size][seed] for size in own] for seed in seeds])
    assert sizes
    return np.array(sizes) / sizes[-1], found


def size_of(limit: str | float) -> float:
    """Return the size that a limit names: "3%" as 3, a number of examples as it is."""
    return float(limit[:-1]) if isinstance(limit, str) and limit.endswith("%") else float(limit)


def compared(share_G: np.ndarray, loss: Mapping[str, np.ndarray], *, prefix: str, words: str) -> dict[str, Number]:
    """Return how far the Transformer is behind with little data and with all, what more data gives it beyond the
    others, and where it overtakes each. Of the two other nets, the one that speaks more against the statement counts.
    """
    behind = {net: loss["transformer"] - loss[net] for net in OTHERS}
    numbers = {}
    for name, place, when in (("little", 0, f"{share_G[0]:.0%} of the data"), ("all", -1, "all data")):
        about = f"loss of the Transformer less that of the better other net, nats per token: {words}, {when}"
        numbers[f"{prefix}_behind_with_{name}"] = Number(least([behind[net][:, place] for net in OTHERS]), about)
    more = least([behind[net][:, 0] - behind[net][:, -1] for net in OTHERS])
    about = f"nats per token that all data instead of {share_G[0]:.0%} gives the Transformer beyond the others"
    numbers[f"{prefix}_gains_more"] = Number(more, f"{about}: {words}")
    for net in OTHERS:
        about = (
            f"power of ten of the share of the data, in percent, from which the Transformer is ahead of the "
            f"{net.upper()}: {words}; {BEYOND} beyond the measured shares where it is always or never ahead"
        )
        crossings = [crossing(share_G, behind_G) for behind_G in behind[net]]
        numbers[f"{prefix}_crossing_{net}"] = Number(crossings, about)
    return numbers


def least(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the values (S,) with the smallest mean: one net for all seeds: each seed's least would be too low."""
    return min(values, key=lambda value_S: float(value_S.mean()))


def crossing(share_G: np.ndarray, behind_G: np.ndarray) -> float:
    """Return log10 of the share in percent from which the Transformer stays ahead, interpolated between sizes.

    It is `BEYOND` below the smallest share where it is ahead at all of them, and above the largest where it is not
    ahead there.
    """
    place_G = np.log10(100 * share_G)
    late = np.flatnonzero(behind_G > 0)
    if not len(late):
        return float(place_G[0] - BEYOND)
    last = late[-1]
    if last == len(behind_G) - 1:
        return float(place_G[-1] + BEYOND)
    part = behind_G[last] / (behind_G[last] - behind_G[last + 1])
    return float(place_G[last] + part * (place_G[last + 1] - place_G[last]))


def figure(drawn: Mapping[tuple[str, str], tuple[np.ndarray, Mapping[str, np.ndarray]]]) -> Figure:
    """Draw loss against the share of the data, a panel for each task and budget: the mean's line and a dot a seed."""
    page, axes = panels(len(drawn), title="Held-out loss against the size of the training set", height=5.8, rows=2)
    for panel, ((task, budget), (share_G, loss)) in zip(axes, drawn.items(), strict=True):
        title = f"{TASKS[task]}, {BUDGETS[budget]}"
        plain(panel, title=title, x="training data, % of all", y="test loss, nats per token")
        ends: list[End] = []
        for net, loss_SG in loss.items():
            panel.plot(100 * share_G, loss_SG.mean(0), color=NETS[net], linewidth=2)
            panel.plot(100 * share_G, loss_SG.T, "o", markersize=3, color=NETS[net], alpha=0.5)
            ends.append((100.0, float(loss_SG[:, -1].mean()), CALLED[net], NETS[net]))
        log_places(panel, 100 * share_G)
        name_ends(panel, ends)
    return page
