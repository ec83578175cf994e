"""Read params.yaml, which describes a whole table: experiments, seeds, profile, overrides and axes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.options import net_keys, options
from quartet_app.config.overrides import PATH_KEYS, literal_paths
from quartet_app.config.resolved import Config, load_config
from quartet_app.config.table.axes import Point, read_axes, read_unless, table_points
from quartet_app.config.table.findings import finding_points, read_finding, together
from quartet_app.files import STAGES
from quartet_app.near import did_you_mean

REQUIRED = ("experiments", "seeds", "profile")
KEYS = (*REQUIRED, "findings", "overrides", "axes", "unless")


@dataclass(frozen=True)
class Params:
    """Hold the content of params.yaml.

    `overrides` are Hydra overrides by experiment. `axes` are lists of values by key, to vary in each experiment;
    `unless` are rules that leave combinations out, as `read_unless` describes them. `findings` are ids of findings; the
    table then trains what these name, and `experiments` are theirs.
    """

    experiments: list[str]
    seeds: list[int]
    profile: str
    overrides: dict[str, list[str]]
    axes: dict[str, list[Any]] = field(default_factory=dict)
    unless: list[dict[str, list[Any]]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

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
    """Read params.yaml and check each value; QuartetError names the key.

    Relative paths in its overrides are seen from its folder; they become relative to the working directory.
    """
    params = load_config(path, interpolations=True)
    for key in params:
        _require(key in KEYS, f"{path.name}: {key}: no such key; {did_you_mean(key, KEYS)}")
    if params.get("findings"):
        params["experiments"] = _experiments_of_findings(params, path.name)
    for key in REQUIRED:
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
    axes = read_axes(params.get("axes") or {}, path.name)
    return Params(
        experiments,
        seeds,
        params["profile"],
        {k: _parse_overrides(v, k, path) for k, v in overrides.items()},
        axes,
        read_unless(params.get("unless") or [], axes, path.name),
        params.get("findings") or [],
    )


def points(table: Params, source: str) -> list[Point]:
    """Return what a table trains with each seed: its experiments or, with axes, these with each combination of values.

    A table of findings trains what these name. QuartetError names its key in `source` where an experiment does not
    compose, or where nothing is left.
    """
    return points_and_findings(table, source)[0]


def points_and_findings(table: Params, source: str) -> tuple[list[Point], dict[str, dict[str, list[Point]]]]:
    """Return the same points, and those of each finding of the table by id and by the names of its runs."""
    if not (table.axes or table.findings):
        return [Point(experiment, experiment) for experiment in table.experiments], {}
    plain = {name: _compose(table, Point(name, name), source) for name in table.experiments}
    if table.findings:
        by_finding = finding_points([read_finding(name) for name in table.findings], plain)
        return together(by_finding, plain), by_finding
    return _varied(table, plain, source), {}


def _varied(table: Params, plain: Mapping[str, Config], source: str) -> list[Point]:
    """Return the points of a table's axes. `plain`: the configs of its experiments without axes, by name."""
    for experiment, config in plain.items():
        solved = next((f"match.{key}" for key, value in config["match"].items() if value is not None), None)
        width = next((key for key in table.axes if key in [f"{net}.width" for net in net_keys()]), None)
        _require(
            solved is None or width is None,
            f"{source}: axes.{width}: {solved} sets the width of {experiment}; vary {solved}, or add {solved}=null to "
            f"overrides.{experiment}",
        )
    found = table_points(plain, table.axes, table.unless)
    lost = set(table.experiments) - {point.experiment for point in found}
    _require(not lost, f"{source}: unless: leaves nothing of {', '.join(sorted(lost))}; take it out of experiments")
    return found


def point_config(table: Params, point: Point, source: str) -> Config:
    """Return the resolved, checked config of one point of the table; QuartetError names its key in `source`.

    Its experiment is the point's name: results, lineage and MLflow know the point by it.
    """
    return {**_compose(table, point, source), "experiment": point.name}


def _compose(table: Params, point: Point, source: str) -> Config:
    """Return the resolved, checked config of a point under its experiment's own name."""
    experiment = point.experiment
    try:
        config = compose([*table.overrides_for(experiment), *point.overrides])
        check(config)
    except QuartetError as error:
        where = f"overrides.{experiment}" if experiment in table.overrides else f"experiment {experiment}"
        raise QuartetError(f"{source}: {_axes_text(point)}{where}: {error}") from error
    if config["experiment"] != experiment:
        raise QuartetError(
            f"conf/experiment/{experiment}.yaml: experiment: given {config['experiment']}, needs {experiment}"
        )
    return config


def _axes_text(point: Point) -> str:
    """Return where a message about a point begins, "" without axes."""
    return f"axes ({', '.join(point.overrides)}; leave it out by unless): " if point.values else ""


def _experiments_of_findings(params: Config, source: str) -> list[str]:
    """Return the experiments that the listed findings name; QuartetError for keys that cannot stand beside them."""
    found = params["findings"]
    for key in ("experiments", "axes", "unless"):
        _require(key not in params, f"{source}: {key}: given beside findings, which name what is trained; take one out")
    _require(_unique(found, str), f"{source}: findings: given {found!r}, needs a list of names")
    named = (runs.experiment for name in found for runs in read_finding(name).runs.values())
    return list(dict.fromkeys(named))


def _parse_overrides(value: Any, experiment: str, path: Path) -> list[str]:
    """Return a list of Hydra overrides from each form that params.yaml allows.

    A person writes [net.width=48] or {net.width: 48}; `dvc exp run -S` writes {net: {width: 48}}.
    """
    at = None if path.parent.resolve() == Path.cwd() else path.parent
    if isinstance(value, dict):
        return literal_paths(list(_flatten(value)), at=at)
    overrides = [value] if isinstance(value, str) else value
    if not isinstance(overrides, list) or not all(isinstance(override, str) for override in overrides):
        raise QuartetError(
            f"{path.name}: overrides.{experiment}: given {value!r}, needs a list of Hydra overrides, as [net.width=48]"
        )
    return literal_paths(overrides, at=at)


def _flatten(node: Config, prefix: str = "") -> Iterator[str]:
    """Yield an override, as net.width=48, for each value of a nested mapping."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" in PATH_KEYS and isinstance(value, str):
            yield f"{prefix}{key}={value}"
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


def address(stage: str, point: str, seed: int, *, apart: bool) -> str:
    """Return the name by which DVC knows a stage of a run; `apart`: where each point has a dvc.yaml of its own."""
    return f"{STAGES}/{point}/dvc.yaml:{stage}@{seed}" if apart else f"{stage}@{point}-{seed}"
