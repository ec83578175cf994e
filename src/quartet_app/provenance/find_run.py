"""From what a person has of a run - a file, a row, a model version, a few digits - to the run."""

from __future__ import annotations

import atexit
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from quartet.tracking.reader import TrackedRun, TrackingReader
from quartet.types import QuartetError
from quartet_app.provenance.run_record import KEYS, RunRecord, list_local_runs, most_complete, single_run

RESULTS, REPORT = Path("results"), Path("reports/results.json")
SHOWN = ("experiment", "seed", "mlflow_run_id", "config_hash", "data_digest")  # by a report, of which run a row is
SHORTEST = 4
FORMS = "give a run's MLflow id, file or folder, its row (cnn-0), its model version, or the beginning of a fingerprint"


def find_run(asked: str) -> RunRecord:
    """The run that is meant; QuartetError where there is none, or several."""
    ways: tuple[Callable[[str], RunRecord | None], ...] = (_by_path, _by_row, _by_version, _by_beginning)
    for way in ways:
        found = way(asked)
        if found is not None:
            return found
    raise QuartetError(f"{asked}: no run is known by this, here or in MLflow\n{FORMS}")


def _by_path(asked: str) -> RunRecord | None:
    path = next((path for path in (Path(asked), Path("runs") / asked) if path.exists()), None)
    if path is None:
        return None
    if path.suffix in (".yaml", ".yml") and path.parent.name == "tuned":
        return _by_tuned(path)
    around = [folder for one in (path, *path.parents[:3]) for folder in (one, one / "train")]
    folder = next((one for one in around if (one / "config.yaml").exists()), None)
    if folder is None and (path / "study.json").exists():
        trials = sorted((one.name for one in path.iterdir() if (one / "config.yaml").exists()), key=_number)
        raise QuartetError(f"{path} is a sweep; name one of its trials, as {path}/{trials[0] if trials else 0}")
    if folder is None:
        raise QuartetError(f"{path} belongs to no run: there is no config.yaml beside it\n{FORMS}")
    return RunRecord(f"the folder {folder}", folder)


def _by_tuned(path: Path) -> RunRecord:
    """The trial that a winner's file was written from."""
    folder = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("tuned_from")
    if not folder or not (Path(folder) / "config.yaml").exists():
        raise QuartetError(f"{path}: the trial that it was found by is gone: {folder or 'it names none'}")
    return RunRecord(f"the trial that {path} was found by", Path(folder))


def _by_row(asked: str) -> RunRecord | None:
    row = re.fullmatch(r"(?:(.*results\.json)[#:])?(\w+)[-/](\d+)", asked)
    if row is None:
        return None
    experiment, seed = row[2], int(row[3])
    if row[1]:
        found = _by_report(asked, Path(row[1]), experiment, seed)
        if found is None:
            gone = entries_of(Path(row[1]), experiment, seed)
            why = "its run lies neither here nor in MLflow" if gone else "there is no such row"
            raise QuartetError(f"{asked}: {why}\n{FORMS}")
        return found
    folder = RESULTS / experiment / str(seed) / "train"
    if (folder / "config.yaml").exists():
        return RunRecord(f"the row {experiment}-{seed}", folder)
    found = _by_report(asked, REPORT, experiment, seed)
    mine = [run for run in list_local_runs() if (run.facts["experiment"], run.facts["seed"]) == (experiment, seed)]
    return found or (single_run(asked, mine, f"the run {experiment}-{seed}") if mine else None)


def _by_report(asked: str, report: Path, experiment: str, seed: int) -> RunRecord | None:
    """The run that a row of a report shows: a result of the report's own table, a run that lies here, or MLflow's."""
    entry = next((one for one in entries_of(report, experiment, seed) if one["experiment"] == experiment), None)
    if entry is None:
        return None
    words = f"the row {experiment}-{seed} of {report}"
    cell = RunRecord("", report.parent.parent / RESULTS / experiment / str(seed) / "train")
    kept = {key: entry[key] for key in SHOWN if entry.get(key) not in (None, "")}
    same = [run for run in (cell, *list_local_runs()) if kept.items() <= run.facts.items()]
    if same:
        return single_run(asked, same, words)
    return _in_mlflow(entry["mlflow_run_id"], words) if entry.get("mlflow_run_id") else None


def entries_of(report: Path, experiment: str, seed: int) -> list[dict[str, Any]]:
    """A report's entries on an experiment and seed, several where the experiment has rows that say what differs; none
    where there is no report, or half of one."""
    try:
        entries = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [one for one in entries if one["experiment"].split(" ")[0] == experiment and one["seed"] == seed]


def _by_version(asked: str) -> RunRecord | None:
    run = re.fullmatch(r"runs:/([0-9a-f]{32})(?:/.*)?", asked)
    if run is not None:
        return _in_mlflow(run[1], asked)
    logged = re.fullmatch(r"(?:models:/)?(m-[0-9a-f]+)", asked)
    if logged is not None:
        return _in_mlflow(TrackingReader().model_run(logged[1]), asked)
    named = re.fullmatch(r"(?:models:/)?([^/@]+)(?:@([^/@]+)|/(\d+))", asked)
    if named is None:
        return None
    store = TrackingReader()
    version = store.version(named[1], named[2] or named[3])
    if version is None:
        if "@" in asked or asked.startswith("models:/"):
            raise QuartetError(f"{asked}: {store.uri} has no such version of a registered model")
        return None
    words = f"{version.name} version {version.version}"
    if not version.run:
        raise QuartetError(f"{words}: the store does not say which run it was made of")
    return _in_mlflow(version.run, words)


def _by_beginning(asked: str) -> RunRecord | None:
    if not re.fullmatch(r"[0-9a-f]+(-dirty)?", asked):
        return None
    if len(asked) < SHORTEST:
        raise QuartetError(f"{asked}: too short; {SHORTEST} digits or more")
    mine = [run for run in list_local_runs() if any(str(run.facts.get(key, "")).startswith(asked) for key in KEYS)]
    if mine:
        return single_run(asked, mine, "")
    tracked = TrackingReader().run(asked) if len(asked) == 32 else None
    more = [tracked] if tracked else TrackingReader().search(asked)
    if not more:
        return None
    found = single_run(asked, [RunRecord("", None, run) for run in more], "")
    assert found.tracked is not None
    return _local(found.tracked, found.asked)


def _in_mlflow(run: str, words: str) -> RunRecord | None:
    """The run of an id: its folder here, or else what MLflow keeps of it."""
    mine = [one for one in list_local_runs() if one.facts.get("mlflow_run_id") == run]
    if mine:
        return replace(most_complete(mine), asked=words)
    tracked = TrackingReader().run(run)
    return _local(tracked, words) if tracked else None


def _local(tracked: TrackedRun, words: str) -> RunRecord:
    """A run that MLflow knows: the folder that its sweep or itself has, or a copy of the files that were logged."""
    if "fingerprint" not in tracked.tags:
        kind = tracked.tags.get("kind", "other run")
        best = f"; its winner is {tracked.tags['winner']}" if "winner" in tracked.tags else ""
        raise QuartetError(f"{words}: MLflow's {tracked.name!r} is no training but a {kind}{best}")
    mine = [one for one in list_local_runs() if one.facts.get("mlflow_run_id") == tracked.id]
    if "trial" in tracked.tags:  # of a sweep that may lie anywhere
        sweeps = TrackingReader().runs_with_tags("study", tracked.tags["study"])
        folders = [Path(one.tags["folder"]) / tracked.tags["trial"] for one in sweeps if "folder" in one.tags]
        trials = [RunRecord("", folder) for folder in folders if (folder / "state.json").exists()]
        mine += [one for one in trials if one.facts.get("mlflow_run_id") == tracked.id]
    if mine:
        return RunRecord(words, most_complete(mine).folder, tracked)
    scratch = Path(tempfile.mkdtemp(prefix="trace-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return RunRecord(words, TrackingReader().files(tracked.id, "run", scratch), tracked)


def _number(name: str) -> tuple[int, str]:
    return (int(name), name) if name.isdigit() else (0, name)
