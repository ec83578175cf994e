"""What runs were set to, and runs of one experiment that differ in it told apart by name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from quartet.report.run import Run

# Settings that make the nets, are said elsewhere, or change nothing that is computed.
NOT_SETTINGS = {"net", "match", "budget", "experiment", "seed", "out", "tracking", "launcher"}
NOT_SETTINGS |= {"tuned_from", "profile", "data.source.mirror"}
NOT_SETTINGS |= {"trainer.progress", "trainer.log_every", "trainer.threads"}
OF_THE_NET = {"net", "match", "budget"}
MOST_NAMED, MOST_LETTERS = 3, 60  # of the settings in a name


def flat(config: Mapping[str, Any], prefix: str = "", skipped: Collection[str] = NOT_SETTINGS) -> dict[str, Any]:
    """Settings by dotted key, without those that need not agree."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        key = prefix + name
        if key in skipped or ("net" in skipped and prefix == "method." and is_net(value)):
            continue
        found |= flat(value, key + ".", skipped) if isinstance(value, Mapping) else {key: value}
    return found


def is_net(value: object) -> bool:
    """Whether a part of a method is a net, as its discriminator is: every recipe of a net has a width."""
    return isinstance(value, Mapping) and {"_target_", "width"} <= set(value)


def repeated(run: Run) -> dict[str, Any]:
    """What the repetitions of a run have in common: all but the seed, the net and the user's own code included."""
    own = {"own_code": str(run["own_code_digest"])[:8]} if run["own_code_digest"] else {}
    return {**flat(run["config"] or {}, skipped=NOT_SETTINGS - OF_THE_NET), **own}


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that have not the same value everywhere."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({str(config.get(key)) for config in configs}) > 1]


def split_by_config(runs: Sequence[Run]) -> list[Run]:
    """The runs, where those of one experiment differ in more than the seed each by a name that says in what: `cnn
    optimizer.lr=0.2`. Under one name they would be taken for repetitions of each other."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(str(run["experiment"]), []).append(run)
    names = {experiment: iter(_names(experiment, group)) for experiment, group in groups.items()}
    return [replace(run, record={**run.record, "experiment": next(names[str(run["experiment"])])}) for run in runs]


def _names(experiment: str, group: Sequence[Run]) -> list[str]:
    """A name for each run of an experiment. What is too much to be said is the beginning of a configuration's hash."""
    configs = [repeated(run) for run in group]
    keys = differing(configs)
    if not keys:
        return [experiment] * len(group)
    settings = [tuple(str(config.get(key)) for key in keys) for config in configs]
    shown = _shown(keys)
    said = [" ".join(f"{name}={_written(config.get(key), key)}" for name, key in shown.items()) for config in configs]
    clear = len(shown) <= MOST_NAMED and all(len(words) <= MOST_LETTERS and words.isprintable() for words in said)
    if not clear or len(set(said)) < len(set(settings)):
        hashes: dict[tuple[str, ...], str] = {}
        for i in sorted(range(len(group)), key=lambda i: group[i].seed):
            hashes.setdefault(settings[i], str(group[i]["config_hash"])[:8])
        said = [hashes[setting] for setting in settings]
    return [f"{experiment} {words}" for words in said]


def _shown(keys: Sequence[str]) -> dict[str, str]:
    """What is said of the keys, and where that stands: of a part of another kind the kind alone, from which the rest of
    it follows, as in `net=rnn` or `data=mnist1d`."""
    kinds = {key.removesuffix("._target_"): key for key in keys if key.endswith("._target_")}
    kinds |= {"data": "data.name"} if "data.name" in keys else {}
    shown = {}
    for key in keys:
        part = next((part for part in sorted(kinds, key=len) if key.startswith(f"{part}.")), key)
        shown[part] = kinds.get(part, key)
    return shown


def _written(value: object, key: str) -> str:
    """As it is typed: true, null, [1, 2], and of a class the name of its option."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.rsplit(".", 1)[-1].lower() if key.endswith("._target_") else text
