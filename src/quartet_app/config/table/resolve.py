"""Resolve a table: write one checked build/<experiment>.yaml for each experiment of params.yaml.

A second file, build/data/<experiment>.yaml, holds the recipe of the data, so that data is prepared again only when its
recipe changes. Later stages depend on these files and never compose.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from quartet.types import QuartetError
from quartet_app.config.resolved import Config, save_config
from quartet_app.config.table.axes import Point
from quartet_app.config.table.findings import read_finding
from quartet_app.config.table.params import Params, point_config, points_and_findings, read_params
from quartet_app.config.table.tuned import notes
from quartet_app.files import COMPOSED, STAGES
from quartet_app.progress import Steps

FEW = 12  # files that are named one by one


def write_table(params: Path, folder: Path) -> list[Path]:
    """Write the resolved files of all experiments into `folder` and delete stale ones; returns the paths.

    Says where settings of conf/tuned/ were found under other conditions. Raises QuartetError where an experiment is
    refused; then no file changes.
    """
    table = read_params(params)
    listed, by_finding = points_and_findings(table, params.name)
    _check_graph(params, table, [point.name for point in listed])
    configs = {}
    with Steps(title=f"{folder.name}: composing") as progress:
        for count, point in enumerate(listed, 1):
            configs[point.name] = point_config(table, point, params.name)
            progress("experiments", count, len(listed))
    _check_names(configs, params.name)
    for line in notes(listed, configs, {name: table.overrides_for(name) for name in table.experiments}):
        print(line, flush=True)
    written = [
        path
        for point in listed
        for path in _write(configs[point.name], [*table.overrides_for(point.experiment), *point.overrides], folder)
    ]
    written += _write_findings(by_finding, folder / "findings")
    for stale in {path for part in ("", "data/", "findings/") for path in folder.glob(f"{part}*.yaml")} - set(written):
        if stale.read_text(encoding="utf-8", errors="replace").startswith(f"# {COMPOSED}"):  # not a person's own file
            stale.unlink()
    return written


def _check_graph(params: Path, table: Params, names: list[str]) -> None:
    """Refuse points that the stages of dvc.yaml, beside params.yaml, do not know: others would be trained."""
    graph = params.parent / "dvc.yaml"
    if not graph.exists():
        return
    stages = yaml.safe_load(graph.read_text())["stages"]
    if table.findings:
        known = sorted(names) == sorted(path.parent.name for path in (params.parent / STAGES).glob("*/dvc.yaml"))
    else:
        listed = stages["train"]["matrix"]["experiment"] if "train" in stages else []
        known = listed == names if isinstance(listed, list) else not table.axes
    if not known:
        raise QuartetError(f"{params.name}: its runs changed since dvc.yaml was written; `quartet table .` renews it")


def _check_names(configs: dict[str, Config], source: str) -> None:
    """Refuse two experiments whose data have one name but different sources: they would share a folder in data/."""
    first: dict[str, str] = {}
    for experiment, config in configs.items():
        name = config["data"]["name"]
        other = first.setdefault(name, experiment)
        if config["data"]["source"] != configs[other]["data"]["source"]:
            raise QuartetError(
                f"{source}: {other} and {experiment} make {name} in different ways; "
                f"name one of them: overrides.{experiment}: [data.name={name}_2, …]"
            )


def _write(config: Config, overrides: list[str], folder: Path) -> list[Path]:
    """Write an experiment's config and the recipe of its data; returns the two paths."""
    name = f"{config['experiment']}.yaml"
    header = [f"{COMPOSED} from conf/ and params.yaml; edit those.", " ".join(overrides)]
    save_config(config, folder / name, header=header)
    data = {"name": config["data"]["name"], "source": config["data"]["source"]}
    save_config(data, folder / "data" / name, header=header[:1])
    return [folder / name, folder / "data" / name]


def _write_findings(by_finding: Mapping[str, Mapping[str, list[Point]]], folder: Path) -> list[Path]:
    """Write for each finding what is measured and on which points, but not its rule: a threshold measures nothing."""
    paths = []
    for name, runs in by_finding.items():
        listed = {key: [{"point": point.name, "values": dict(point.values)} for point in runs[key]] for key in runs}
        path = folder / f"{name}.yaml"
        header = [f"{COMPOSED} from conf/finding/{name}.yaml; edit that."]
        save_config({"measure": dict(read_finding(name).measure), "runs": listed}, path, header=header)
        paths.append(path)
    return paths


def compose_table() -> None:
    """Resolve the table in the working directory and say where the files are; the DVC stage `compose`."""
    written = [path for path in write_table(Path("params.yaml"), Path("build")) if path.parent.name != "data"]
    if len(written) <= FEW:
        print("\n".join(str(path) for path in written))
    else:
        print(f"{written[0]} and {len(written) - 1} more in {written[0].parent}/")
