"""Draw named figures of comparisons for the tracker: one set for each task and data set, which alone compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from quartet.report.comparing.costs import COSTS
from quartet.report.comparing.matched import label
from quartet.report.curves import band, curves_by_seed
from quartet.report.run import ExperimentRuns, Run, arrow, comparable_experiments, mean_and_deviation, metric_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TRAINING = ("parameters", "flops", "train_seconds")  # costs that each run has


def comparison_figures(runs: Sequence[Run]) -> dict[str, Figure]:
    """Return matplotlib figures by name.

    `curves_<task>_<data>` shows the monitored validation metric against samples: means over seeds with their range.
    `costs_<task>_<data>` shows the headline test metric against its costs: means with standard deviations.
    """
    drawn = {}
    for (task, data), group in comparable_experiments(runs).items():
        drawn[f"curves_{task}_{data}"] = _curves(group, f"{task}, {data}")
        if any(experiment.values(f"test/{experiment.headline}") for experiment in group):
            drawn[f"costs_{task}_{data}"] = _costs(group, f"{task}, {data}")
    return drawn


def _curves(group: Sequence[ExperimentRuns], title: str) -> Figure:
    """Draw means with a band from the lowest to the highest seed, as on the page; without a band, one line a seed."""
    figure, (axes,) = _figure(1, title)
    for i, experiment in enumerate(group):
        name, color = str(experiment["monitor"]).split("/")[-1], f"C{i % 10}"
        measured = curves_by_seed(experiment, name, "validation")
        if not measured:
            continue
        if rows := band(measured):
            x, low, mean, high = (list(column) for column in zip(*rows, strict=True))
            axes.plot(x, mean, marker=".", color=color, label=_label(experiment))
            axes.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
        else:
            for seed, points in measured.items():
                axes.plot(*zip(*points, strict=True), lw=0.8, color=color, label=f"{experiment.name}, seed {seed}")
        axes.set(xlabel="samples", ylabel=f"validation {metric_name(name)} {arrow(name, group[0])}".strip())
    if axes.has_data():
        axes.legend(frameon=False, fontsize=7)
    return figure


def _costs(group: Sequence[ExperimentRuns], title: str) -> Figure:
    """Draw the test metric against each cost that was measured, side by side."""
    from matplotlib.ticker import EngFormatter

    measured = [key for key in COSTS if key in TRAINING or any(experiment.numbers(key) for experiment in group)]
    figure, all_axes = _figure(len(measured), title)
    for axes, key in zip(all_axes, measured, strict=True):
        spent = []
        for i, experiment in enumerate(group):
            values, costs = (
                list(experiment.values(f"test/{experiment.headline}").values()),
                list(experiment.numbers(key).values()),
            )
            if not values or not costs:
                continue
            mean, deviation = mean_and_deviation(values)
            cost = mean_and_deviation(costs)[0]
            spent.append(cost)
            axes.errorbar([cost], [mean], yerr=[deviation or 0.0], fmt="o", capsize=3, color=f"C{i % 10}")
            axes.annotate(label(experiment, group), (cost, mean), xytext=(5, 5), textcoords="offset points", fontsize=7)
        # Orders of magnitude need a log scale; below one, its ticks would run into each other.
        wide = spent and min(spent) > 0 and max(spent) > 10 * min(spent)
        axes.set(xlabel=COSTS[key].name, xscale="log" if wide else "linear")
        axes.margins(x=0.2)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    name = group[0].headline
    all_axes[0].set_ylabel(f"test {metric_name(name)} {arrow(name, group[0])}".strip())
    return figure


def _figure(panels: int, title: str) -> tuple[Figure, list[Any]]:
    """Return a figure with `panels` axes side by side, and the axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.4 + 3.2 * panels, 3.8), layout="constrained", dpi=150)
    all_axes = list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])
    figure.suptitle(title, fontsize=10)
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, all_axes


def _label(experiment: ExperimentRuns) -> str:
    """Return the experiment's name with its number of seeds."""
    seeds = len(experiment.runs)
    return f"{experiment.name} ({seeds} seed{'s' if seeds > 1 else ''})"
