"""Read params.yaml: what a person decides about a whole table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.options import options
from quartet_app.config.resolved import Config, load_config
from quartet_app.near import did_you_mean

KEYS = ("experiments", "seeds", "profile", "overrides")


@dataclass(frozen=True)
class Params:
    """What a person decides about the whole table. `overrides`: Hydra overrides by experiment."""

    experiments: list[str]
    seeds: list[int]
    profile: str
    overrides: dict[str, list[str]]

    def words(self, experiment: str) -> list[str]:
        """The command line that makes this experiment's config. What a sweep found for it is taken up where conf/tuned/
        has it; an override `~tuned` leaves it out."""
        own = self.overrides.get(experiment, [])
        found = experiment in options("tuned") and not any(word.startswith(("tuned=", "~tuned")) for word in own)
        return [f"experiment={experiment}", f"profile={self.profile}", *[f"tuned={experiment}"] * found, *own]


def read_params(path: Path) -> Params:
    """params.yaml, each value checked; QuartetError names the key."""
    params = load_config(path)
    for key in params:
        _require(key in KEYS, f"{path.name}: {key}: no such key; {did_you_mean(key, KEYS)}")
    for key in KEYS[:3]:
        _require(key in params, f"{path.name}: {key}: not given; see conf/ and README.md for what it takes")
    overrides = params.get("overrides") or {}
    _require(isinstance(overrides, dict), f"{path.name}: overrides: given {overrides!r}, needs a mapping by experiment")
    experiments, seeds = params["experiments"], params["seeds"]
    _require(_unique(experiments, str), f"{path.name}: experiments: given {experiments!r}, needs a list of names")
    _require(
        _unique(seeds, int) and min(seeds) >= 0, f"{path.name}: seeds: given {seeds!r}, needs a list of whole numbers"
    )
    for key, name in [("experiments", one) for one in experiments] + [("overrides", one) for one in overrides]:
        _require_option(name, "experiment", f"{path.name}: {key}")
    _require_option(params["profile"], "profile", f"{path.name}: profile")
    return Params(experiments, seeds, params["profile"], {k: _words(v, k, path) for k, v in overrides.items()})


def experiment_config(table: Params, experiment: str, source: str) -> Config:
    """The resolved, checked config of one experiment of the table; QuartetError that names its place in `source`."""
    try:
        config = compose(table.words(experiment))
        check(config)
    except QuartetError as error:
        where = f"overrides.{experiment}" if experiment in table.overrides else f"experiment {experiment}"
        raise QuartetError(f"{source}: {where}: {error}") from error
    if config["experiment"] != experiment:
        raise QuartetError(
            f"conf/experiment/{experiment}.yaml: experiment: given {config['experiment']}, needs {experiment}"
        )
    return config


def _words(given: Any, experiment: str, path: Path) -> list[str]:
    """Hydra overrides as a person gives them: [net.width=48], {net.width: 48} or, as DVC does, {net: {width: 48}}."""
    if isinstance(given, dict):
        return list(_flat(given))
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise QuartetError(
            f"{path.name}: overrides.{experiment}: given {given!r}, needs a list of Hydra overrides, as [net.width=48]"
        )
    return words


def _flat(node: Config, prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            # Hydra's grammar takes JSON's numbers, quoted texts and lists as they are.
            yield f"{prefix}{key}={json.dumps(value, ensure_ascii=False)}"


def _require_option(name: Any, group: str, where: str) -> None:
    known = options(group)
    _require(name in known, f"{where}: {name}: no such {group}; {did_you_mean(str(name), known)}")


def _unique(values: Any, kind: type) -> bool:
    return (
        isinstance(values, list)
        and bool(values)
        and all(type(value) is kind for value in values)
        and len(set(values)) == len(values)
    )


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise QuartetError(message)
