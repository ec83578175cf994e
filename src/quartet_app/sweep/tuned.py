"""Write the winner of a sweep as a file of conf/tuned/, to be chosen by `tuned=<experiment>`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from hydra_plugins.quartet_ray_sweeper import OBJECTIVE
from quartet.types import check_name
from quartet_app.config.options import groups, option_file
from quartet_app.config.resolved import Config, load_config
from quartet_app.config.table.tuned import HEAD, conditions
from quartet_app.files import read_record, relative_to_cwd, write_text

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from hydra_plugins.quartet_ray_sweeper import Record, Sweep

# Settings of a trial that are no findings: how long and where it ran, and its seed.
NOT_TUNED = (
    "experiment",
    "sweep",
    "space",
    "profile",
    "seed",
    "out",
    "budget",
    "validate_every",
    "tracking",
    "trainer",
    "launcher",
    "tuned_from",
)
FOR_THE_SWEEP = ("override /experiment", "override /hydra")  # defaults in conf/sweep/ that configure no run


def write_tuned(sweep: Sweep, best: Record, folder: Path) -> tuple[Path, str]:
    """Write the values of the trial `best` to `<experiment>.yaml`, an overlay of the experiment.

    Returns the path, and the header of the file that it replaces ("" for none).
    """
    config = load_config(Path(best.folder) / "config.yaml")
    name = check_name(config["experiment"], f"{best.folder}/config.yaml: experiment")
    # Not those of the journal, which may come from somebody else: a file of conf/ is trusted.
    overrides = OverridesParser.create().parse_overrides(sweep.space.overrides(best.values))
    chosen: dict[str, Any] = {}
    nested = OmegaConf.create({})
    # Later ones win: the earlier tuned file, then the sweep's file, then the overrides.
    for file in (chosen_file("tuned", overrides), chosen_file("sweep", overrides)):
        chosen |= {key: option for key, option in defaults(file).items() if not key.startswith(FOR_THE_SWEEP)}
        nested.merge_with({key: value for key, value in file.items() if key not in ("defaults", "hydra", *NOT_TUNED)})
    for override in overrides:
        key = str(override.key_or_group)
        if key.split(".")[0] in ("tuned", *NOT_TUNED) or override.is_hydra_override():
            continue
        if key.split("@")[0] in groups():
            chosen[f"override /{key}{f'@{override.package}' if override.package else ''}"] = override.value()
        else:
            OmegaConf.update(nested, key, override.value(), merge=True, force_add=True)
    text = "".join(f"# {line}\n" for line in _header(sweep, best, config))
    text += "defaults:\n" + "".join(f"  - {key}: {option}\n" for key, option in chosen.items()) + "\n" if chosen else ""
    text += OmegaConf.to_yaml(nested) if nested else ""
    text += OmegaConf.to_yaml({"tuned_from": relative_to_cwd(Path(best.folder))})
    path = folder / f"{name}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8").splitlines()[1:3] if path.exists() else []
    write_text(path, text)
    return path, " ".join(line.removeprefix("# ") for line in before)


def _header(sweep: Sweep, best: Record, config: Config) -> list[str]:
    """Return the comment lines of a winner's file. `options.tuning_trials` reads the number of trials from them: those
    of the search, without repeats; `table.tuned` reads the conditions. `config` is that of the winner."""
    experiment = config["experiment"]
    ended = [trial.status for trial in sweep.searched]
    counts = ", ".join(
        f"{ended.count(status)} {name}"
        for status, name in (("finished", "finished"), ("stopped", "stopped early"), ("failed", "failed"))
    )
    return [
        "@package _global_",
        f"The best of a sweep: {describe_best(sweep, best)}.",
        f"study:   {sweep.folder.name}, {len(ended)} trials ({counts}); this is trial {best.number}",
        f"command: quartet train experiment={experiment} tuned={experiment}",
        f"{HEAD} {json.dumps(conditions(config), ensure_ascii=False)}",
    ]


def chosen_file(group: str, overrides: Sequence[Override]) -> Config:
    """Return the content of the file of conf/<group>/ that the overrides choose; {} for none."""
    name = next((one.value() for one in overrides if one.key_or_group == group), None)
    path = option_file(group, str(name)) if name is not None else None
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path is not None else {}


def defaults(file: Config) -> Config:
    """Return the options in a file's defaults list, by group, without `_self_`."""
    entries = [entry for entry in file.get("defaults", []) if isinstance(entry, dict)]
    return {key: option for entry in entries for key, option in entry.items()}


LOST_TRIAL = "the trial's record is lost; search in another folder (hydra.sweep.dir)"


def describe_best(sweep: Sweep, best: Record) -> str:
    """Return the best trial's metrics and its number of samples, as "val/accuracy 0.9 after 600,000 samples"."""
    facts = read_trial_file(best, "run.json")
    if sweep.metrics[0] == OBJECTIVE:
        values = f"{facts['monitor']} {facts['metrics'][facts['monitor']]:.6g}"
    else:
        scores = sweep.scores(best) or ()
        values = ", ".join(f"{name} {score:.6g}" for name, score in zip(sweep.metrics, scores, strict=True))
    if repeated := sweep.repeated_scores(best):
        values += f", {fmean(repeated):.6g} on average over {len(repeated)} seeds"
    others = f", one of {len(sweep.best)} on the Pareto front" if len(sweep.best) > 1 else ""
    return f"{values} after {facts['samples_seen']:,} samples{others}"


def read_trial_file(trial: Record, name: str) -> dict[str, Any]:
    """Read a JSON file in the folder of a trial's run; {} where the run has not written it."""
    path = Path(trial.folder) / name
    return read_record(path, remedy=LOST_TRIAL) if trial.folder and path.exists() else {}
