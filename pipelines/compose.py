"""Compose: params.yaml and conf/ → build/<experiment>.yaml, resolved and checked: what exactly will run.

Beside each, build/data/<experiment>.yaml holds what its data is made from, so that data is prepared again only when
that changes. Later stages depend on these files and never compose.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import cli
from pipelines.check import check
from pipelines.configuration import Tree, compose, load, options, save
from pipelines.refusals import did_you_mean
from quartet.types import QuartetError

KEYS = ("experiments", "seeds", "profile", "overrides")


@dataclass(frozen=True)
class Params:
    """What a person decides about the whole table. `overrides`: Hydra overrides by experiment."""

    experiments: list[str]
    seeds: list[int]
    profile: str
    overrides: dict[str, list[str]]

    def words(self, experiment: str) -> list[str]:
        """The command line that makes this experiment's tree. What a sweep found for it is taken up where conf/tuned/
        has it; an override `~tuned` leaves it out."""
        own = self.overrides.get(experiment, [])
        found = experiment in options("tuned") and not any(word.startswith(("tuned=", "~tuned")) for word in own)
        return [f"experiment={experiment}", f"profile={self.profile}", *[f"tuned={experiment}"] * found, *own]


def read_params(path: Path) -> Params:
    """params.yaml, each value checked; QuartetError names the key."""
    params = load(path)
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


def build(params: Path, folder: Path) -> list[Path]:
    """Write the resolved files of all experiments into `folder`, delete others there; nothing when one is refused."""
    table = read_params(params)
    trees = {experiment: tree_of(table, experiment, params.name) for experiment in table.experiments}
    _check_names(trees, params.name)
    written = [path for experiment, tree in trees.items() for path in _write(tree, table.words(experiment), folder)]
    for stale in {*folder.glob("*.yaml"), *folder.glob("data/*.yaml")} - set(written):
        stale.unlink()
    return written


def tree_of(table: Params, experiment: str, source: str) -> Tree:
    """The resolved, checked tree of one experiment of the table; QuartetError that names its place in `source`."""
    try:
        tree = compose(table.words(experiment))
        check(tree)
    except QuartetError as error:
        where = f"overrides.{experiment}" if experiment in table.overrides else f"experiment {experiment}"
        raise QuartetError(f"{source}: {where}: {error}") from error
    if tree["experiment"] != experiment:
        raise QuartetError(
            f"conf/experiment/{experiment}.yaml: experiment: given {tree['experiment']}, needs {experiment}"
        )
    return tree


def _check_names(trees: dict[str, Tree], source: str) -> None:
    """A data set's name is its folder in data/: two experiments may share it only if they share the data too."""
    first: dict[str, str] = {}
    for experiment, tree in trees.items():
        name = tree["data"]["name"]
        other = first.setdefault(name, experiment)
        _require(
            tree["data"]["source"] == trees[other]["data"]["source"],
            f"{source}: {other} and {experiment} make {name} in different ways; "
            f"name one of them: overrides.{experiment}: [data.name={name}_2, …]",
        )


def _write(tree: Tree, words: list[str], folder: Path) -> list[Path]:
    name = f"{tree['experiment']}.yaml"
    header = ["Written by pipelines/compose.py from conf/ and params.yaml; edit those.", " ".join(words)]
    save(tree, folder / name, header=header)
    data = {"name": tree["data"]["name"], "source": tree["data"]["source"]}
    save(data, folder / "data" / name, header=header[:1])
    return [folder / name, folder / "data" / name]


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


def _flat(node: Tree, prefix: str = "") -> Iterator[str]:
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


def stage(arguments: list[str]) -> None:
    """The DVC stage, run where params.yaml lies."""
    _require(not arguments, f"{' '.join(arguments)}: compose takes no arguments; edit params.yaml")
    for written in build(Path("params.yaml"), Path("build")):
        print(written)


if __name__ == "__main__":
    cli.run(stage, sys.argv[1:])
