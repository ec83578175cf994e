"""Prepare the data sets of a table, or data sets by name."""

from __future__ import annotations

import json
from pathlib import Path

from quartet.types import QuartetError
from quartet_app.config.composing import compose_group
from quartet_app.config.resolved import Config, load_config
from quartet_app.config.trust import check_file
from quartet_app.data.content import read_manifest
from quartet_app.data.prepared import TABLE, ensure
from quartet_app.files import read_json, write_text


def prepare(names: list[str]) -> None:
    """Prepare the data sets `names`; without names, those of all resolved experiments: the DVC stage `prepare`."""
    if names:
        prepare_named(names)
    else:
        prepare_table()


def prepare_table() -> None:
    """Prepare the data of all resolved experiments, and write a note of its digest for each experiment.

    The DVC stage that trains an experiment depends on its note. So a change of one data set retrains no experiment that
    uses another.
    """
    resolved = sorted(Path("build/data").glob("*.yaml"))
    if not resolved:
        raise QuartetError("build/data: no resolved experiments\nrun quartet compose first, or name data sets")
    data_by_experiment = {path.stem: _load_recipe(path) for path in resolved}
    TABLE.mkdir(exist_ok=True)
    for experiment, data in data_by_experiment.items():
        folder = ensure(data, table=True)
        manifest = read_manifest(folder)
        note = {"data": data["name"], "digest": manifest["digest"], "recipe": manifest["recipe"]}
        write_text(TABLE / f"{experiment}.json", json.dumps(note, indent=1, sort_keys=True) + "\n")
    remove_stale(names={data["name"] for data in data_by_experiment.values()}, experiments=set(data_by_experiment))


def _load_recipe(path: Path) -> Config:
    """Read build/data/<experiment>.yaml: the section `data` without its loading; QuartetError as `load_resolved`."""
    recipe = load_config(path)
    check_file({"data": recipe}, path)
    return recipe


def remove_stale(*, names: set[str], experiments: set[str]) -> None:
    """Delete data sets and notes that this module made and no experiment uses any more. Leaves other files alone."""
    from quartet.data.preparing.store import is_ours, remove

    for folder in TABLE.glob("[!.]*"):  # a hidden one belongs to a process that prepares it
        if folder.name not in names and is_ours(folder):
            remove(folder)
    for note in TABLE.glob("*.json"):
        if note.stem not in experiments and set(read_json(note)) == {"data", "digest", "recipe"}:
            note.unlink()


def prepare_named(names: list[str]) -> None:
    """Prepare data sets, files of conf/data/, and print their folders."""
    for name in names:
        print(ensure(compose_group("data", name)))
