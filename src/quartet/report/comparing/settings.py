"""Compare configurations of runs, and name the runs of one experiment by the settings in which they differ."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from quartet.report.run import Run

# Settings that define the nets, have a condition of their own, or do not change the result.
NOT_SETTINGS = {"net", "match", "budget", "experiment", "seed", "out", "tracking", "launcher"}
NOT_SETTINGS |= {"tuned_from", "profile", "data.source.mirror"}
NOT_SETTINGS |= {"trainer.progress", "trainer.log_every", "trainer.threads"}
OF_THE_NET = {"net", "match", "budget"}
MAX_NAMED, MAX_CHARACTERS = 3, 60  # settings in a name, and their characters


def flatten_config(
    config: Mapping[str, Any], prefix: str = "", skipped: Collection[str] = NOT_SETTINGS
) -> dict[str, Any]:
    """Return settings by dotted key, without the keys in `skipped`."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        key = prefix + name
        if key in skipped or ("net" in skipped and prefix == "method." and is_net(value)):
            continue
        found |= flatten_config(value, key + ".", skipped) if isinstance(value, Mapping) else {key: value}
    return found


def is_net(value: object) -> bool:
    """Tell whether a part of a method is a net, as its discriminator is: every net's recipe has a width."""
    return isinstance(value, Mapping) and {"_target_", "width"} <= set(value)


def repetition_config(run: Run) -> dict[str, Any]:
    """Return the settings that a run's repetitions share: all but the seed, the net and the user's code included."""
    own_code = {"own_code": str(run["own_code_digest"])[:8]} if run["own_code_digest"] else {}
    return {**flatten_config(run["config"] or {}, skipped=NOT_SETTINGS - OF_THE_NET), **own_code}


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values are not the same in all configurations."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({str(config.get(key)) for config in configs}) > 1]


def split_by_config(runs: Sequence[Run]) -> list[Run]:
    """Rename the runs of one experiment that differ in more than the seed, such as `cnn optimizer.lr=0.2`.

    Under one name they would count as repetitions of each other.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(str(run["experiment"]), []).append(run)
    names = {experiment: iter(_names(experiment, group)) for experiment, group in groups.items()}
    return [replace(run, record={**run.record, "experiment": next(names[str(run["experiment"])])}) for run in runs]


def _names(experiment: str, group: Sequence[Run]) -> list[str]:
    """Return a name for each run of an experiment. A name that is too long ends in a configuration's hash instead."""
    configs = [repetition_config(run) for run in group]
    keys = differing_keys(configs)
    if not keys:
        return [experiment] * len(group)
    settings = [tuple(str(config.get(key)) for key in keys) for config in configs]
    shown = _shown_keys(keys)
    suffixes = [
        " ".join(f"{name}={_value_text(config.get(key), key)}" for name, key in shown.items()) for config in configs
    ]
    clear = len(shown) <= MAX_NAMED and all(len(words) <= MAX_CHARACTERS and words.isprintable() for words in suffixes)
    if not clear or len(set(suffixes)) < len(set(settings)):
        hashes: dict[tuple[str, ...], str] = {}
        for i in sorted(range(len(group)), key=lambda i: group[i].seed):
            hashes.setdefault(settings[i], str(group[i]["config_hash"])[:8])
        suffixes = [hashes[setting] for setting in settings]
    return [f"{experiment} {words}" for words in suffixes]


def _shown_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return the keys to show by name, with the key that holds the value.

    Where a part is of another class, the class alone is shown, as in `net=rnn` or `data=mnist1d`: other keys follow
    from it.
    """
    kinds = {key.removesuffix("._target_"): key for key in keys if key.endswith("._target_")}
    kinds |= {"data": "data.name"} if "data.name" in keys else {}
    shown = {}
    for key in keys:
        part = next((part for part in sorted(kinds, key=len) if key.startswith(f"{part}.")), key)
        shown[part] = kinds.get(part, key)
    return shown


def _value_text(value: object, key: str) -> str:
    """Return a value as a person types it: true, null, [1, 2], and for a class the name of its option."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.rsplit(".", 1)[-1].lower() if key.endswith("._target_") else text
