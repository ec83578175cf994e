"""Resolve a table: params.yaml and conf/ → build/<experiment>.yaml, checked: what exactly will run.

Beside each, build/data/<experiment>.yaml holds what its data is made from, so that data is prepared again only when
that changes. Later stages depend on these files and never compose.
"""

from __future__ import annotations

from pathlib import Path

from quartet.types import QuartetError
from quartet_app.config.params import experiment_config, read_params
from quartet_app.config.resolved import Config, save_config


def write_table(params: Path, folder: Path) -> list[Path]:
    """Write the resolved files of all experiments into `folder`, delete others there; nothing when one is refused."""
    table = read_params(params)
    trees = {experiment: experiment_config(table, experiment, params.name) for experiment in table.experiments}
    _check_names(trees, params.name)
    written = [path for experiment, tree in trees.items() for path in _write(tree, table.words(experiment), folder)]
    for stale in {*folder.glob("*.yaml"), *folder.glob("data/*.yaml")} - set(written):
        stale.unlink()
    return written


def _check_names(trees: dict[str, Config], source: str) -> None:
    """A data set's name is its folder in data/: two experiments may share it only if they share the data too."""
    first: dict[str, str] = {}
    for experiment, tree in trees.items():
        name = tree["data"]["name"]
        other = first.setdefault(name, experiment)
        if tree["data"]["source"] != trees[other]["data"]["source"]:
            raise QuartetError(
                f"{source}: {other} and {experiment} make {name} in different ways; "
                f"name one of them: overrides.{experiment}: [data.name={name}_2, …]"
            )


def _write(tree: Config, words: list[str], folder: Path) -> list[Path]:
    name = f"{tree['experiment']}.yaml"
    header = ["Written by the stage `compose` from conf/ and params.yaml; edit those.", " ".join(words)]
    save_config(tree, folder / name, header=header)
    data = {"name": tree["data"]["name"], "source": tree["data"]["source"]}
    save_config(data, folder / "data" / name, header=header[:1])
    return [folder / name, folder / "data" / name]


def compose_table() -> None:
    """Resolve the table in the working directory: the DVC stage `compose`."""
    for written in write_table(Path("params.yaml"), Path("build")):
        print(written)
