"""What the nets of a comparison had in common and what not, in words, from what was measured and configured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from quartet.report.comparing.settings import differing, flat, repeated
from quartet.report.drawing.numerals import compact, duration, grouped, percent
from quartet.report.run import FAMILY_NAMES, Cell, Run

TOLERANCE = 0.02  # numbers that differ by less are matched
CHOSEN = "on validation data only; the test split is read once, by evaluate."
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
UNTUNED = "no trials"
CLOCK_TOLERANCE = 0.1  # of seconds, which the machine's other work changes
# The two numbers of a cell of which the lesser and the larger are compared.
Taken = tuple[Callable[[list[float]], float], Callable[[list[float]], float]]
MEANS: Taken = (fmean, fmean)
EXTREMES: Taken = (min, max)  # a mean would hide what the machine did beside one seed and not beside another
MOST_KEYS = 6  # differing settings that are named


@dataclass(frozen=True)
class Condition:
    """One thing that should be the same for all: what, whether it was, and a sentence without that word."""

    what: str
    same: bool
    said: str


def matched(cells: Sequence[Cell]) -> list[Condition]:
    """Of the cells of one (task, data), those that were not matched first."""
    conditions = [
        _number(cells, "parameters", "Parameters", compact, TOLERANCE),
        _number(cells, "flops", "FLOPs per sample", compact, TOLERANCE),
        _budget(cells),
        _number(cells, "samples_seen", "Samples seen", compact, TOLERANCE),
        _number(cells, "train_seconds", "Time to train", duration, CLOCK_TOLERANCE, EXTREMES),
        _tuning(cells),
        _seeds(cells),
        _settings(cells),
        _repetitions(cells),
        _data(cells),
        _code(cells),
        _record(cells, "device", "Device"),
        _selection(cells),
    ]
    return sorted(conditions, key=lambda condition: condition.same)


def unmatched(cells: Sequence[Cell]) -> str:
    """What was not matched, by name; '' where all was."""
    names = [condition.what for condition in matched(cells) if not condition.same]
    said = _and([name if name[:2].isupper() else name.lower() for name in names])
    return f"Not matched: {said}." if names else ""


def mixed(cells: Sequence[Cell]) -> str:
    """Which of the cells hold runs that are no repetitions of each other; '' where none does."""
    condition = _repetitions(cells)
    return "" if condition.same else condition.said


def label(cell: Cell, cells: Sequence[Cell]) -> str:
    """A cell's family where that tells it split_by_config, else its experiment."""
    families = [other.family for other in cells]
    alone = families.count(cell.family) == 1 and cell.family in FAMILY_NAMES
    return FAMILY_NAMES[cell.family] if alone else str(cell["experiment"])


def _number(
    cells: Sequence[Cell],
    key: str,
    what: str,
    written: Callable[[object], str],
    most: float,
    of_each: Taken = MEANS,
) -> Condition:
    found = {label(cell, cells): list(cell.numbers(key).values()) for cell in cells}
    unknown = [name for name, values in found.items() if not values]
    if unknown:
        return Condition(what, False, f"not known for {_and(unknown)}.")
    lows, highs = ({name: taken(values) for name, values in found.items()} for taken in of_each)
    least, largest = min(lows, key=lambda name: lows[name]), max(highs, key=lambda name: highs[name])
    low, high = lows[least], highs[largest]
    asked = dict.fromkeys(((cell["config"] or {}).get("match") or {}).get(key) for cell in cells)
    wanted = f" {_and([written(float(value)) for value in asked if value])} were asked for." if any(asked) else ""
    if low == high:
        return Condition(what, True, f"the same, {written(low)}.{wanted}")
    if low > 0 and high / low - 1 <= most:
        both = dict.fromkeys((written(low), written(high)))
        return Condition(what, True, f"within {percent(high / low - 1)}, {' to '.join(both)}.{wanted}")
    times = ""
    if low > 0 and high / low < 99:
        times = f", a factor of {high / low:.2g}" if high / low >= 1.5 else f", {percent(high / low - 1)} more"
    return Condition(what, False, f"from {written(low)} ({least}) to {written(high)} ({largest}){times}.{wanted}")


def _budget(cells: Sequence[Cell]) -> Condition:
    return _values("Budget", cells, lambda run: (run["config"] or {}).get("budget"))


def _tuning(cells: Sequence[Cell]) -> Condition:
    tuning = _values("Tuning", cells, _tuned)
    untuned = all(_tuned(run) == UNTUNED for cell in cells for run in cell.runs)
    said = "none by a sweep; the settings are those of their files and what was typed."
    return Condition("Tuning", True, said) if untuned else tuning


def _tuned(run: Run) -> str:
    return (
        "a trial of a sweep" if run["sweep"] else f"{run['tuning_trials']} trials" if run["tuning_trials"] else UNTUNED
    )


def _seeds(cells: Sequence[Cell]) -> Condition:
    seeds = [", ".join(str(run.seed) for run in cell.runs) for cell in cells]
    said = f"the same, {seeds[0]}." if len(set(seeds)) == 1 else f"not the same: {_each(cells, seeds)}."
    return Condition("Seeds", len(set(seeds)) == 1, said)


def _record(cells: Sequence[Cell], key: str, what: str) -> Condition:
    """An identity of the record, hashes by their beginnings."""

    def read(run: Run) -> str | None:
        text = str(run[key] or "unknown")
        dirty = "-dirty" if text.endswith("-dirty") else ""
        return None if text == "unknown" else text[:10] + dirty if len(text) >= 40 else text

    return _values(what, cells, read)


def _data(cells: Sequence[Cell]) -> Condition:
    """Whether all had the same data, and how much of it there is."""
    same = _record(cells, "data_digest", "Prepared data")
    unit, sizes = cells[0].shown.sizes
    if not same.same or not sizes:
        return same
    counts = ", ".join(f"{grouped(sizes[split])} {name}" for split, name in SPLIT_NAMES.items() if split in sizes)
    return Condition(same.what, True, f"{same.said.removesuffix('.')}: {counts} {unit}.")


def _code(cells: Sequence[Cell]) -> Condition:
    """What computes a run, by its digest: a commit may differ in other things, and leaves out what was not committed.
    The commit where a run says no more."""
    if all(run["code_digest"] for cell in cells for run in cell.runs):
        return _record(cells, "code_digest", "Code")
    commit = _record(cells, "git_commit", "Code")
    if commit.same and commit.said.endswith("-dirty."):
        return Condition("Code", False, commit.said[:-1] + ": what was changed since may differ between runs.")
    return commit


def _selection(cells: Sequence[Cell]) -> Condition:
    monitors = list(dict.fromkeys(str(run["monitor"]) for cell in cells for run in cell.runs if run["monitor"]))
    if not monitors:
        return Condition("Model selection", False, "not known.")
    if not all(monitor.startswith("val/") for monitor in monitors):
        return Condition("Model selection", False, f"by {_and(monitors)}, which is not validation data alone.")
    return Condition("Model selection", len(monitors) == 1, f"by {_and(monitors)}, {CHOSEN}")


def _settings(cells: Sequence[Cell]) -> Condition:
    what = "Settings beside the net"
    configs = [[flat(run["config"] or {}) for run in cell.runs] for cell in cells]
    if not all(config for group in configs for config in group):
        return Condition(what, False, "not known.")
    keys = dict.fromkeys(key for group in configs for config in group for key in config)
    values = {
        key: [list(dict.fromkeys(str(config.get(key, "none")) for config in group)) for group in configs]
        for key in keys
    }
    unlike = {
        key: [" or ".join(group) for group in found]
        for key, found in values.items()
        if len({value for group in found for value in group}) > 1
    }
    if not unlike:
        return Condition(what, True, "the same.")
    named = [f"{key} ({_each(cells, found)})" for key, found in list(unlike.items())[:MOST_KEYS]]
    more = f" and {len(unlike) - MOST_KEYS} more" if len(unlike) > MOST_KEYS else ""
    return Condition(what, False, f"different in {', '.join(named)}{more}.")


def _repetitions(cells: Sequence[Cell]) -> Condition:
    """Whether the runs of each experiment are the same but for the seed, their nets included."""
    what, odd = "Runs of one experiment", {}
    for cell in cells:
        keys = differing([repeated(run) for run in cell.runs])
        if keys:
            odd[label(cell, cells)] = _and(keys[:MOST_KEYS])
    if not odd:
        return Condition(what, True, "they differ in their seeds alone.")
    said = "; ".join(f"{name} mixes runs that differ in {keys}" for name, keys in odd.items())
    return Condition(what, False, f"{said}, which are no repetitions of each other.")


def _values(what: str, cells: Sequence[Cell], read: Callable[[Run], str | None]) -> Condition:
    """Whether all runs have the same, and what."""
    found = [list(dict.fromkeys(read(run) for run in cell.runs)) for cell in cells]
    unknown = [label(cell, cells) for cell, values in zip(cells, found, strict=True) if None in values]
    if unknown:
        return Condition(what, False, f"not known for {_and(unknown)}.")
    distinct = list(dict.fromkeys(str(value) for values in found for value in values))
    if len(distinct) == 1:
        return Condition(what, True, f"the same, {distinct[0]}.")
    return Condition(what, False, f"not the same: {_each(cells, [_and(list(map(str, values))) for values in found])}.")


def _each(cells: Sequence[Cell], values: Sequence[str]) -> str:
    return ", ".join(f"{label(cell, cells)} {value}" for cell, value in zip(cells, values, strict=True))


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
