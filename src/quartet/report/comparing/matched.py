"""Describe which conditions the nets of a comparison share, from measurements and configurations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from quartet.report.comparing.caution import device_text
from quartet.report.comparing.settings import differing_keys, flatten_config, repetition_config
from quartet.report.drawing.numerals import compact, duration, grouped, percent
from quartet.report.run import FAMILY_NAMES, ExperimentRuns, Run

TOLERANCE = 0.02  # relative difference up to which numbers count as matched
CHOSEN = "on validation data only; the test split is read once, by evaluate."
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
UNTUNED = "no trials"
CLOCK_TOLERANCE = 0.1  # for seconds, since other work on the machine changes them
# Two functions that reduce an experiment's seeds to the lower and the higher number to compare.
Bounds = tuple[Callable[[list[float]], float], Callable[[list[float]], float]]
MEANS: Bounds = (fmean, fmean)
EXTREMES: Bounds = (min, max)  # a mean would hide a seed that other work slowed down
MAX_KEYS = 6  # of the differing settings in a sentence


@dataclass(frozen=True)
class Condition:
    """One condition that should be the same for all nets: its name, whether it was, and a sentence of details."""

    name: str
    same: bool
    text: str


def matched(experiments: Sequence[ExperimentRuns]) -> list[Condition]:
    """Return the conditions of the experiments of one task and data set, unmatched ones first."""
    conditions = [
        _number(experiments, "parameters", "Parameters", compact, TOLERANCE),
        _number(experiments, "flops", "FLOPs per sample", compact, TOLERANCE),
        _budget(experiments),
        _number(experiments, "samples_seen", "Samples seen", compact, TOLERANCE),
        _number(experiments, "train_seconds", "Time to train", duration, CLOCK_TOLERANCE, EXTREMES),
        _tuning(experiments),
        _seeds(experiments),
        _settings(experiments),
        _repetitions(experiments),
        _data(experiments),
        _code(experiments),
        _values("Device", experiments, device_text),
        _selection(experiments),
    ]
    return sorted(conditions, key=lambda condition: condition.same)


def unmatched(experiments: Sequence[ExperimentRuns]) -> str:
    """Return a sentence that names the unmatched conditions, "" where all are matched."""
    names = [condition.name for condition in matched(experiments) if not condition.same]
    listed = _and([name if name[:2].isupper() else name.lower() for name in names])
    return f"Not matched: {listed}." if names else ""


def mixed(experiments: Sequence[ExperimentRuns]) -> str:
    """Return a sentence on experiments whose runs differ in more than the seed, "" without any."""
    condition = _repetitions(experiments)
    return "" if condition.same else condition.text


def label(experiment: ExperimentRuns, experiments: Sequence[ExperimentRuns]) -> str:
    """Return the experiment's family where it is unique, else the experiment's name."""
    families = [other.family for other in experiments]
    alone = families.count(experiment.family) == 1 and experiment.family in FAMILY_NAMES
    return FAMILY_NAMES[experiment.family] if alone else str(experiment.name)


def _number(
    experiments: Sequence[ExperimentRuns],
    key: str,
    title: str,
    as_text: Callable[[object], str],
    most: float,
    bounds: Bounds = MEANS,
) -> Condition:
    """Return the condition that a number of the record agrees within the relative tolerance `most`.

    `bounds` reduce an experiment's seeds to the two numbers that are compared, the lower and the higher.
    """
    found = {label(experiment, experiments): list(experiment.numbers(key).values()) for experiment in experiments}
    unknown = [name for name, values in found.items() if not values]
    if unknown:
        return Condition(title, False, f"not known for {_and(unknown)}.")
    lows, highs = ({name: bound(values) for name, values in found.items()} for bound in bounds)
    least, largest = min(lows, key=lambda name: lows[name]), max(highs, key=lambda name: highs[name])
    low, high = lows[least], highs[largest]
    requested = dict.fromkeys(((experiment["config"] or {}).get("match") or {}).get(key) for experiment in experiments)
    wanted = (
        f" {_and([as_text(float(value)) for value in requested if value])} were asked for." if any(requested) else ""
    )
    if low == high:
        return Condition(title, True, f"the same, {as_text(low)}.{wanted}")
    if low > 0 and high / low - 1 <= most:
        both = dict.fromkeys((as_text(low), as_text(high)))
        return Condition(title, True, f"within {percent(high / low - 1)}, {' to '.join(both)}.{wanted}")
    times = ""
    if low > 0 and high / low < 99:
        times = f", a factor of {high / low:.2g}" if high / low >= 1.5 else f", {percent(high / low - 1)} more"
    return Condition(title, False, f"from {as_text(low)} ({least}) to {as_text(high)} ({largest}){times}.{wanted}")


def _budget(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that all runs had the same budget."""
    return _values("Budget", experiments, lambda run: (run["config"] or {}).get("budget"))


def _tuning(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that all settings were tuned with equally many trials."""
    tuning = _values("Tuning", experiments, _tuned)
    untuned = all(_tuned(run) == UNTUNED for experiment in experiments for run in experiment.runs)
    text = "none by a sweep; the settings are those of their files and what was typed."
    return Condition("Tuning", True, text) if untuned else tuning


def _tuned(run: Run) -> str:
    """Return how many trials a sweep spent on the run's settings, in words."""
    return (
        "a trial of a sweep" if run["sweep"] else f"{run['tuning_trials']} trials" if run["tuning_trials"] else UNTUNED
    )


def _seeds(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that all experiments have the same seeds."""
    seeds = [", ".join(str(run.seed) for run in experiment.runs) for experiment in experiments]
    text = f"the same, {seeds[0]}." if len(set(seeds)) == 1 else f"not the same: {_by_experiment(experiments, seeds)}."
    return Condition("Seeds", len(set(seeds)) == 1, text)


def _record_value(experiments: Sequence[ExperimentRuns], key: str, title: str) -> Condition:
    """Return the condition that all runs share a value of the record; hashes are shortened."""

    def read(run: Run) -> str | None:
        text = str(run[key] or "unknown")
        dirty = "-dirty" if text.endswith("-dirty") else ""
        return None if text == "unknown" else text[:10] + dirty if len(text) >= 40 else text

    return _values(title, experiments, read)


def _data(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that all runs used the same data, with the sizes of its splits."""
    same = _record_value(experiments, "data_digest", "Prepared data")
    unit, sizes = experiments[0].shown.sizes
    if not same.same or not sizes:
        return same
    counts = ", ".join(f"{grouped(sizes[split])} {name}" for split, name in SPLIT_NAMES.items() if split in sizes)
    return Condition(same.name, True, f"{same.text.removesuffix('.')}: {counts} {unit}.")


def _code(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that all runs used the same code.

    The digest of the code decides. Without it the commit does, which knows nothing of uncommitted changes.
    """
    if all(run["code_digest"] for experiment in experiments for run in experiment.runs):
        return _record_value(experiments, "code_digest", "Code")
    commit = _record_value(experiments, "git_commit", "Code")
    if commit.same and commit.text.endswith("-dirty."):
        return Condition("Code", False, commit.text[:-1] + ": what was changed since may differ between runs.")
    return commit


def _selection(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that one validation metric selected all models."""
    monitors = list(
        dict.fromkeys(str(run["monitor"]) for experiment in experiments for run in experiment.runs if run["monitor"])
    )
    if not monitors:
        return Condition("Model selection", False, "not known.")
    if not all(monitor.startswith("val/") for monitor in monitors):
        return Condition("Model selection", False, f"by {_and(monitors)}, which is not validation data alone.")
    return Condition("Model selection", len(monitors) == 1, f"by {_and(monitors)}, {CHOSEN}")


def _settings(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that all settings agree, the net's own left out."""
    title = "Settings beside the net"
    configs = [[flatten_config(run["config"] or {}) for run in experiment.runs] for experiment in experiments]
    if not all(config for group in configs for config in group):
        return Condition(title, False, "not known.")
    keys = dict.fromkeys(key for group in configs for config in group for key in config)
    values = {
        key: [list(dict.fromkeys(str(config.get(key, "none")) for config in group)) for group in configs]
        for key in keys
    }
    different = {
        key: [" or ".join(group) for group in found]
        for key, found in values.items()
        if len({value for group in found for value in group}) > 1
    }
    if not different:
        return Condition(title, True, "the same.")
    named = [f"{key} ({_by_experiment(experiments, found)})" for key, found in list(different.items())[:MAX_KEYS]]
    more = f" and {len(different) - MAX_KEYS} more" if len(different) > MAX_KEYS else ""
    return Condition(title, False, f"different in {', '.join(named)}{more}.")


def _repetitions(experiments: Sequence[ExperimentRuns]) -> Condition:
    """Return the condition that the runs of each experiment differ in the seed alone, nets included."""
    title, odd = "Runs of one experiment", {}
    for experiment in experiments:
        keys = differing_keys([repetition_config(run) for run in experiment.runs])
        if keys:
            odd[label(experiment, experiments)] = _and(keys[:MAX_KEYS])
    if not odd:
        return Condition(title, True, "they differ in their seeds alone.")
    mixtures = "; ".join(f"{name} mixes runs that differ in {keys}" for name, keys in odd.items())
    return Condition(title, False, f"{mixtures}, which are no repetitions of each other.")


def _values(title: str, experiments: Sequence[ExperimentRuns], read: Callable[[Run], str | None]) -> Condition:
    """Return the condition that `read` gives the same value for all runs; None counts as unknown."""
    found = [list(dict.fromkeys(read(run) for run in experiment.runs)) for experiment in experiments]
    unknown = [
        label(experiment, experiments) for experiment, values in zip(experiments, found, strict=True) if None in values
    ]
    if unknown:
        return Condition(title, False, f"not known for {_and(unknown)}.")
    distinct = list(dict.fromkeys(str(value) for values in found for value in values))
    if len(distinct) == 1:
        return Condition(title, True, f"the same, {distinct[0]}.")
    listed = _by_experiment(experiments, [_and(list(map(str, values))) for values in found])
    return Condition(title, False, f"not the same: {listed}.")


def _by_experiment(experiments: Sequence[ExperimentRuns], values: Sequence[str]) -> str:
    """Return each experiment's label with its value."""
    return ", ".join(
        f"{label(experiment, experiments)} {value}" for experiment, value in zip(experiments, values, strict=True)
    )


def _and(words: Sequence[str]) -> str:
    """Join words with commas and a final "and"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
