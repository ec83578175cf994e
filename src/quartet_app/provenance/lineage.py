"""Collect the lineage of a run as plain data: what it was made of and what was made of it.

The sources are its folder, its data's manifest, its sweep's journal, the report and MLflow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from quartet.data.preparing.fetch import sha256
from quartet.types import QuartetError
from quartet_app.config.project import conf_folders
from quartet_app.config.trust import check_server
from quartet_app.files import read_json, relative_to_cwd
from quartet_app.provenance.find_run import REPORT, report_entries
from quartet_app.provenance.run_record import RunRecord, list_local_runs
from quartet_app.run.run_folder import code_digest, own_code_digest
from quartet_app.run.work_tree import changed_paths, left_out_paths, read_diff

Facts = dict[str, Any]


def lineage(run: RunRecord) -> Facts:
    """Return everything that is known about `run`; unknown facts are None."""
    facts, config = run.facts, run.config
    return {
        "asked": run.found_by,
        "name": run.name,
        "fingerprint": facts.get("fingerprint"),
        "status": "STOPPED EARLY" if facts.get("stopped_early") else facts["status"],
        "code": code(run),
        "command": facts.get("command"),
        "configuration": {
            "path": relative_to_cwd(run.folder / "config.yaml") if run.folder and config else None,
            "hash": facts.get("config_hash"),
            **{part: facts.get(part) for part in ("net", "task", "method")},
        },
        "data": data(run),
        "seed": facts.get("seed"),
        "trained_on": facts.get("trained_on"),
        "environment": facts.get("environment"),
        "sweep": sweep(run),
        "tuned_from": config.get("tuned_from") or (run.tracked.tags.get("tuned_from") if run.tracked else None),
        "result": result(run),
        "mlflow": {"run": facts.get("mlflow_run_id") or None, "store": run.store.uri},
        "made": {**descendants(run), **in_mlflow(run)},
    }


def at_hand(run: RunRecord) -> tuple[str, str | None]:
    """The digests of the code as it is now: the shipped, and what the run names of the user's own."""
    return code_digest(), own_code_digest(run.config)


def code(run: RunRecord) -> Facts:
    """Return the commit, the changes of the work tree to it, and whether this is the code at hand."""
    path = run.folder / "work_tree.diff" if run.folder else None
    diff = read_diff(path)
    digest = run.facts.get("code_digest")
    return {
        "commit": run.facts.get("git_commit"),
        "digest": digest,
        "at_hand": None if digest is None else (digest, run.facts.get("own_code_digest")) == at_hand(run),
        "diff": relative_to_cwd(path) if path and diff else None,
        "changed": changed_paths(diff),
        "left_out": left_out_paths(diff),
    }


def data(run: RunRecord) -> Facts:
    """Return the data set, its origin, and whether the same version is prepared here."""
    facts = run.facts
    dataset = facts.get("dataset") or {}
    folder = run.table / (dataset.get("folder") or f"data/{facts.get('data')}")
    manifest = read_json(folder / "manifest.json")
    same = manifest.get("digest") == facts.get("data_digest") if manifest else None
    terms = {key: dataset.get(key) or (manifest.get(key) if same else None) for key in ("origin", "licence")}
    source = run.config.get("data", {}).get("source") or dataset.get("recipe")
    return {"name": facts.get("data"), "digest": facts.get("data_digest"), **terms, "source": source,
            "folder": folder.as_posix() if manifest else None, "same": same}  # fmt: skip


def sweep(run: RunRecord) -> Facts | None:
    """Return the sweep that the run is a trial of and the values that the trial tried; None for another run."""
    trial = run.facts.get("sweep")
    if trial is None and run.tracked and "trial" in run.tracked.tags:
        trial = {"folder": run.tracked.tags.get("study"), "trial": int(run.tracked.tags["trial"]),
                 "parent": run.tracked.tags.get("mlflow.parentRunId")}  # fmt: skip
    if trial is None:
        return None
    journal = Path(trial["folder"]) / "trials.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may be half written
    own = [event for event in events if event["trial"] == trial["trial"]]
    values = next((event["values"] for event in own if event["event"] == "start"), None)
    return {**trial, "values": values, "changed": any(event["event"] == "change" for event in own)}


def result(run: RunRecord) -> Facts | None:
    """Return the results, and whether the weights' file is still as training wrote it; None for an unfinished run."""
    if not run.ended or run.folder is None:
        return None
    facts, path = run.facts, run.folder / "model.safetensors"
    now, written = sha256(path) if path.exists() else None, facts.get("weights_sha256")
    weights = {"path": relative_to_cwd(path) if now else None, "sha256": written or now,
               "intact": now == written if now and written else None}  # fmt: skip
    keys = ("monitor", "metrics", "parameters", "samples_seen", "steps", "train_seconds")
    return {**{key: facts.get(key) for key in keys}, "weights": weights}


def descendants(run: RunRecord) -> Facts:
    """Return the local files that were made of the run: copies, evaluations, the report's row, tuned configurations."""
    facts = run.facts
    runs = list_local_runs()
    folders = [other.folder for other in runs if other.folder and other.identity == run.identity]
    if run.folder and run.folder.resolve() not in [folder.resolve() for folder in folders] and run.found_by:
        folders.append(run.folder)
    evaluated = {}
    for folder in folders:
        for path in (folder / "evaluate" / "metrics.json", folder.parent / "evaluate" / "metrics.json"):
            if path.exists() and (path.parent.parent == folder or folder.name == "train"):
                metrics = read_json(path)
                evaluated[relative_to_cwd(path)] = {
                    key: value for key, value in metrics.items() if key.startswith("test/")
                }
    seed = facts.get("seed")
    report = run.table / REPORT
    rows = report_entries(report, facts.get("experiment", ""), int(seed)) if seed is not None else []
    keys = ("config_hash", "data_digest", "git_commit", "mlflow_run_id")
    reported = any(all((row.get(key) or "") == (facts.get(key) or "") for key in keys) for row in rows)
    trial = relative_to_cwd(run.folder) if run.folder else None
    tuned = [
        path
        for folder in conf_folders()
        for path in sorted((folder / "tuned").glob("*.yaml"))
        if trial and _yaml(path).get("tuned_from") == trial
    ]
    return {
        "folders": [relative_to_cwd(folder) for folder in folders],
        "evaluated": evaluated,
        "report": relative_to_cwd(report) if reported else None,
        "report_shows_another": bool(rows) and not reported,
        "tuned": [relative_to_cwd(path) for path in tuned],
        "tuned_runs": [
            relative_to_cwd(other.folder)
            for other in runs
            if other.folder and trial and f"tuned_from: {trial}\n" in _text(other)
        ],
    }


def in_mlflow(run: RunRecord) -> Facts:
    """Return what MLflow has about the run: runs of its fingerprint and their status, comparisons, model versions."""
    facts, store = run.facts, run.store
    ids = [facts["mlflow_run_id"]] if facts.get("mlflow_run_id") else []
    nothing: Facts = {"mlflow_runs": [], "comparisons": [], "registered": [], "not_asked": None}
    if not ids or not store.exists:
        return nothing
    try:
        check_server(store.uri, f"{run.folder}: tracking.uri")
        own = run.tracked or store.run(ids[0])
        same = {own.id: own} if own else {}
        if facts.get("fingerprint"):
            same |= {other.id: other for other in store.runs_with_tags("fingerprint", facts["fingerprint"])}
        versions = [version for run_id in same for version in store.versions(run_id)]
    except QuartetError as error:  # the server is down or not to be trusted: the local facts are still worth showing
        return {**nothing, "not_asked": str(error).partition("\n")[0]}
    comparisons = [parent for other in same.values() for parent in other.tags.get("comparisons", "").split()]
    return {
        **nothing,
        "comparisons": sorted(set(comparisons)),
        "mlflow_runs": [{"run": other.id, "name": other.name, "status": other.status} for other in same.values()],
        "registered": [
            {"model": found.name, "version": found.version, "aliases": list(found.aliases), "run": found.run}
            for found in versions
        ],
    }


def _yaml(path: Path) -> Facts:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _text(run: RunRecord) -> str:
    """Return a run's configuration as text. To parse YAML would be slow: hundreds of runs are searched for one line."""
    return (run.folder / "config.yaml").read_text(encoding="utf-8") if run.folder else ""
