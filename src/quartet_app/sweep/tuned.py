"""The winner of a sweep as a file of conf/tuned/, which `tuned=` takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from hydra_plugins.quartet_ray_sweeper import OBJECTIVE
from quartet_app.config.options import groups
from quartet_app.config.project import CONF
from quartet_app.config.resolved import Config, load_config
from quartet_app.files import relative_to_cwd, write_text

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from hydra_plugins.quartet_ray_sweeper import Record, Sweep

# What a trial was given that is no finding: how long and where it ran, and what was drawn.
NOT_TUNED = (
    "experiment",
    "sweep",
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
FOR_THE_SWEEP = ("override /experiment", "override /hydra")  # how these begin in conf/sweep/ that are of no run


def write_tuned(sweep: Sweep, best: Record, folder: Path) -> tuple[Path, str]:
    """`<experiment>.yaml`: what the winner was given, as an overlay of the experiment; returns its path, and what the
    file that was there says of itself, "" for none."""
    config = load_config(Path(best.folder) / "config.yaml")
    given = OverridesParser.create().parse_overrides(best.overrides)
    chosen: dict[str, Any] = {}
    nested = OmegaConf.create({})
    for file in (chosen_file("tuned", given), chosen_file("sweep", given)):  # the later wins, as what was typed does
        chosen |= {key: option for key, option in defaults(file).items() if not key.startswith(FOR_THE_SWEEP)}
        nested.merge_with({key: value for key, value in file.items() if key not in ("defaults", "hydra", *NOT_TUNED)})
    for one in given:
        key = str(one.key_or_group)
        if key.split(".")[0] in ("tuned", *NOT_TUNED) or one.is_hydra_override():
            continue
        if key.split("@")[0] in groups():
            chosen[f"override /{key}{f'@{one.package}' if one.package else ''}"] = one.value()
        else:
            OmegaConf.update(nested, key, one.value(), merge=True, force_add=True)
    counts = ", ".join(
        f"{sweep.count(s)} {w}"
        for s, w in (("finished", "finished"), ("stopped", "stopped early"), ("failed", "failed"))
    )
    header = [
        "@package _global_",
        f"The best of a sweep: {reached(sweep, best)}.",
        f"study:   {sweep.folder.name}, {len(sweep.trials)} trials ({counts}); this is trial {best.number}",
        f"command: quartet train experiment={config['experiment']} tuned={config['experiment']}",
    ]
    text = "".join(f"# {line}\n" for line in header)
    text += "defaults:\n" + "".join(f"  - {key}: {option}\n" for key, option in chosen.items()) + "\n" if chosen else ""
    text += OmegaConf.to_yaml(nested) if nested else ""
    text += OmegaConf.to_yaml({"tuned_from": relative_to_cwd(Path(best.folder))})
    path = folder / f"{config['experiment']}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8").splitlines()[1:3] if path.exists() else []
    write_text(path, text)
    return path, " ".join(line.removeprefix("# ") for line in before)


def chosen_file(group: str, overrides: Sequence[Override]) -> Config:
    """The file of conf/<group>/ that is chosen, {} for none."""
    name = next((one.value() for one in overrides if one.key_or_group == group), None)
    path = CONF / group / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if name is not None and path.exists() else {}


def defaults(file: Config) -> Config:
    """What a file's defaults list chooses, by group; `_self_` in it chooses nothing."""
    entries = [entry for entry in file.get("defaults", []) if isinstance(entry, dict)]
    return {key: option for entry in entries for key, option in entry.items()}


def reached(sweep: Sweep, best: Record) -> str:
    """How good the best is, by what the sweep went by, and after how many samples."""
    facts = kept(best, "run.json")
    if sweep.metrics[0] == OBJECTIVE:
        said = f"{facts['monitor']} {facts['metrics'][facts['monitor']]:.6g}"
    else:
        scores = sweep.scores(best) or ()
        said = ", ".join(f"{name} {score:.6g}" for name, score in zip(sweep.metrics, scores, strict=True))
    fellows = len(sweep.best) - 1
    others = f", one of {fellows + 1} of which none is better than another in all" if fellows else ""
    return f"{said} after {facts['samples_seen']:,} samples{others}"


def kept(trial: Record, name: str) -> dict[str, Any]:
    """What a JSON file of the trial's run holds, {} where it did not come so far."""
    path = Path(trial.folder) / name
    return json.loads(path.read_text()) if trial.folder and path.exists() else {}
