"""Read params.yaml, which describes a whole table: experiments, seeds, profile and overrides."""

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
from quartet_app.config.overrides import literal_paths
from quartet_app.config.resolved import Config, load_config
from quartet_app.near import did_you_mean

KEYS = ("experiments", "seeds", "profile", "overrides")


@dataclass(frozen=True)
class Params:
    """Hold the content of params.yaml. `overrides` are Hydra overrides by experiment."""

    experiments: list[str]
    seeds: list[int]
    profile: str
    overrides: dict[str, list[str]]

    def overrides_for(self, experiment: str) -> list[str]:
        """Return all overrides that compose this experiment's config.

        Where conf/tuned/ has a file of the experiment's name, they include its values, which a sweep found. The
        override `~tuned` leaves them out.
        """
        own = self.overrides.get(experiment, [])
        chosen = any(override.startswith(("tuned=", "~tuned")) for override in own)
        tuned = [f"tuned={experiment}"] if experiment in options("tuned") and not chosen else []
        return [f"experiment={experiment}", f"profile={self.profile}", *tuned, *own]


def read_params(path: Path) -> Params:
    """Read params.yaml and check each value; QuartetError names the key."""
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
    for key, name in [*(("experiments", name) for name in experiments), *(("overrides", name) for name in overrides)]:
        _require_option(name, "experiment", f"{path.name}: {key}")
    _require_option(params["profile"], "profile", f"{path.name}: profile")
    return Params(
        experiments, seeds, params["profile"], {k: _parse_overrides(v, k, path) for k, v in overrides.items()}
    )


def experiment_config(table: Params, experiment: str, source: str) -> Config:
    """Return the resolved, checked config of one experiment of the table; QuartetError names its key in `source`."""
    try:
        config = compose(table.overrides_for(experiment))
        check(config)
    except QuartetError as error:
        where = f"overrides.{experiment}" if experiment in table.overrides else f"experiment {experiment}"
        raise QuartetError(f"{source}: {where}: {error}") from error
    if config["experiment"] != experiment:
        raise QuartetError(
            f"conf/experiment/{experiment}.yaml: experiment: given {config['experiment']}, needs {experiment}"
        )
    return config


def _parse_overrides(value: Any, experiment: str, path: Path) -> list[str]:
    """Return a list of Hydra overrides from each form that params.yaml allows.

    A person writes [net.width=48] or {net.width: 48}; `dvc exp run -S` writes {net: {width: 48}}.
    """
    if isinstance(value, dict):
        return list(_flatten(value))
    overrides = [value] if isinstance(value, str) else value
    if not isinstance(overrides, list) or not all(isinstance(override, str) for override in overrides):
        raise QuartetError(
            f"{path.name}: overrides.{experiment}: given {value!r}, needs a list of Hydra overrides, as [net.width=48]"
        )
    return literal_paths(overrides)


def _flatten(node: Config, prefix: str = "") -> Iterator[str]:
    """Yield an override, as net.width=48, for each value of a nested mapping."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            # Hydra's grammar takes JSON's numbers, quoted texts and lists as they are.
            yield f"{prefix}{key}={json.dumps(value, ensure_ascii=False)}"


def _require_option(name: Any, group: str, where: str) -> None:
    """Refuse a name that is no option of `group`; the message begins with `where`."""
    known = options(group)
    _require(name in known, f"{where}: {name}: no such {group}; {did_you_mean(str(name), known)}")


def _unique(values: Any, kind: type) -> bool:
    """Return True for a list, not empty, of different values of one type."""
    return (
        isinstance(values, list)
        and bool(values)
        and all(type(value) is kind for value in values)
        and len(set(values)) == len(values)
    )


def _require(holds: bool, message: str) -> None:
    """Raise QuartetError with `message` unless the condition holds."""
    if not holds:
        raise QuartetError(message)
