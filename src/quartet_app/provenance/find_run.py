"""Find a run from a file, a row of a report, a model version or the first digits of an id."""

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
from quartet_app.provenance.run_record import ID_KEYS, RunRecord, list_local_runs, most_complete, single_run

RESULTS, REPORT = Path("results"), Path("reports/results.json")
REPORT_KEYS = (
    "experiment",
    "seed",
    "mlflow_run_id",
    "config_hash",
    "data_digest",
)  # these identify the run of a report's row
MIN_DIGITS = 4
HINT = "give a run's MLflow id, file or folder, its row (cnn-0), its model version, or the beginning of a fingerprint"


def find_run(query: str) -> RunRecord:
    """Return the run that `query` names; QuartetError where it names none or several."""
    ways: tuple[Callable[[str], RunRecord | None], ...] = (_by_path, _by_row, _by_version, _by_prefix)
    for way in ways:
        run = way(query)
        if run is not None:
            return run
    raise QuartetError(f"{query}: no run matches, here or in MLflow\n{HINT}")


def _by_path(query: str) -> RunRecord | None:
    """Return the run that a file or folder belongs to; None where there is no such path."""
    path = next((path for path in (Path(query), Path("runs") / query) if path.exists()), None)
    if path is None:
        return None
    if path.suffix in (".yaml", ".yml") and path.parent.name == "tuned":
        return _by_tuned(path)
    candidates = [folder for parent in (path, *path.parents[:3]) for folder in (parent, parent / "train")]
    folder = next((candidate for candidate in candidates if (candidate / "config.yaml").exists()), None)
    if folder is None and (path / "study.json").exists():
        trials = sorted((trial.name for trial in path.iterdir() if (trial / "config.yaml").exists()), key=_number)
        raise QuartetError(f"{path} is a sweep; name one of its trials, as {path}/{trials[0] if trials else 0}")
    if folder is None:
        raise QuartetError(f"{path} belongs to no run: there is no config.yaml in its folder\n{HINT}")
    return RunRecord(f"the folder {folder}", folder)


def _by_tuned(path: Path) -> RunRecord:
    """Return the trial whose values a file of conf/tuned/ holds."""
    folder = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("tuned_from")
    if not folder or not (Path(folder) / "config.yaml").exists():
        raise QuartetError(f"{path}: its trial is gone: {folder or 'it names none'}")
    return RunRecord(f"the trial that found {path}", Path(folder))


def _by_row(query: str) -> RunRecord | None:
    """Return the run of a row such as cnn-0 or grid/reports/results.json#cnn-0; None for another form."""
    row = re.fullmatch(r"(?:(.*results\.json)[#:])?(\w+)[-/](\d+)", query)
    if row is None:
        return None
    experiment, seed = row[2], int(row[3])
    if row[1]:
        found = _by_report(query, Path(row[1]), experiment, seed)
        if found is None:
            gone = report_entries(Path(row[1]), experiment, seed)
            why = "its run lies neither here nor in MLflow" if gone else "there is no such row"
            raise QuartetError(f"{query}: {why}\n{HINT}")
        return found
    folder = RESULTS / experiment / str(seed) / "train"
    if (folder / "config.yaml").exists():
        return RunRecord(f"the row {experiment}-{seed}", folder)
    found = _by_report(query, REPORT, experiment, seed)
    local_runs = [
        run for run in list_local_runs() if (run.facts["experiment"], run.facts["seed"]) == (experiment, seed)
    ]
    return found or (single_run(query, local_runs, f"the run {experiment}-{seed}") if local_runs else None)


def _by_report(query: str, report: Path, experiment: str, seed: int) -> RunRecord | None:
    """Return the run in a report's row: from the report's own table, else another local run, else from MLflow."""
    entries = report_entries(report, experiment, seed)
    entry = next((entry for entry in entries if entry["experiment"] == experiment), None)
    if entry is None:
        return None
    found_by = f"the row {experiment}-{seed} of {report}"
    own = RunRecord("", report.parent.parent / RESULTS / experiment / str(seed) / "train")
    identity = {key: entry[key] for key in REPORT_KEYS if entry.get(key) not in (None, "")}
    same = [run for run in (own, *list_local_runs()) if identity.items() <= run.facts.items()]
    if same:
        return single_run(query, same, found_by)
    return _by_mlflow_id(entry["mlflow_run_id"], found_by) if entry.get("mlflow_run_id") else None


def report_entries(report: Path, experiment: str, seed: int) -> list[dict[str, Any]]:
    """Return a report's entries about an experiment and seed.

    They are several where the report splits the experiment by settings, as "cnn optimizer.lr=0.2". The list is empty
    where the report is missing or incomplete.
    """
    try:
        entries = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [entry for entry in entries if entry["experiment"].split(" ")[0] == experiment and entry["seed"] == seed]


def _by_version(query: str) -> RunRecord | None:
    """Return the run of a model in MLflow: runs:/…, a logged model's id, or a registered version or alias."""
    run = re.fullmatch(r"runs:/([0-9a-f]{32})(?:/.*)?", query)
    if run is not None:
        return _by_mlflow_id(run[1], query)
    logged = re.fullmatch(r"(?:models:/)?(m-[0-9a-f]+)", query)
    if logged is not None:
        return _by_mlflow_id(TrackingReader().model_run(logged[1]), query)
    named = re.fullmatch(r"(?:models:/)?([^/@]+)(?:@([^/@]+)|/(\d+))", query)
    if named is None:
        return None
    store = TrackingReader()
    version = store.version(named[1], named[2] or named[3])
    if version is None:
        if "@" in query or query.startswith("models:/"):
            raise QuartetError(f"{query}: {store.uri} has no such version of a registered model")
        return None
    found_by = f"{version.name} version {version.version}"
    if not version.run:
        raise QuartetError(f"{found_by}: the store names no run for it")
    return _by_mlflow_id(version.run, found_by)


def _by_prefix(query: str) -> RunRecord | None:
    """Return the run with an id or digest that begins with these hex digits; None for another form or no match."""
    if not re.fullmatch(r"[0-9a-f]+(-dirty)?", query):
        return None
    if len(query) < MIN_DIGITS:
        raise QuartetError(f"{query}: too short; {MIN_DIGITS} digits or more")
    local_runs = [
        run for run in list_local_runs() if any(str(run.facts.get(key, "")).startswith(query) for key in ID_KEYS)
    ]
    if local_runs:
        return single_run(query, local_runs, "")
    tracked = TrackingReader().run(query) if len(query) == 32 else None
    more = [tracked] if tracked else TrackingReader().search(query)
    if not more:
        return None
    run = single_run(query, [RunRecord("", None, run) for run in more], "")
    assert run.tracked is not None
    return _with_folder(run.tracked, run.found_by)


def _by_mlflow_id(run_id: str, found_by: str) -> RunRecord | None:
    """Return the run of an MLflow id: its local folder, else the files that MLflow stores; None for an unknown id."""
    local_runs = [run for run in list_local_runs() if run.facts.get("mlflow_run_id") == run_id]
    if local_runs:
        return replace(most_complete(local_runs), found_by=found_by)
    tracked = TrackingReader().run(run_id)
    return _with_folder(tracked, found_by) if tracked else None


def _with_folder(tracked: TrackedRun, found_by: str) -> RunRecord:
    """Return a tracked run with its folder: its own, that of its sweep's trial, or a copy of the files in MLflow."""
    if "fingerprint" not in tracked.tags:
        kind = tracked.tags.get("kind", "other run")
        best = f"; its winner is {tracked.tags['winner']}" if "winner" in tracked.tags else ""
        raise QuartetError(f"{found_by}: MLflow's {tracked.name!r} is no training but a {kind}{best}")
    local_runs = [run for run in list_local_runs() if run.facts.get("mlflow_run_id") == tracked.id]
    if "trial" in tracked.tags:  # the folder of its sweep may be anywhere
        sweeps = TrackingReader().runs_with_tags("study", tracked.tags["study"])
        folders = [Path(sweep.tags["folder"]) / tracked.tags["trial"] for sweep in sweeps if "folder" in sweep.tags]
        trials = [RunRecord("", folder) for folder in folders if (folder / "state.json").exists()]
        local_runs += [trial for trial in trials if trial.facts.get("mlflow_run_id") == tracked.id]
    if local_runs:
        return RunRecord(found_by, most_complete(local_runs).folder, tracked)
    scratch = Path(tempfile.mkdtemp(prefix="trace-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return RunRecord(found_by, TrackingReader().files(tracked.id, "run", scratch), tracked)


def _number(name: str) -> tuple[int, str]:
    """Return a sort key that orders the names of trials as numbers."""
    return (int(name), name) if name.isdigit() else (0, name)
