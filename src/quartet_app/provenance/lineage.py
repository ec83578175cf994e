"""What a run was made of and what was made of it, as plain data: from the files of its folder, its data's manifest, its
sweep's journal, the report and MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from quartet.data.preparing.fetch import sha256
from quartet.types import QuartetError
from quartet_app.config.project import CONF
from quartet_app.files import read_json, relative_to_cwd
from quartet_app.provenance.find_run import REPORT, entries_of
from quartet_app.provenance.run_record import RunRecord, list_local_runs
from quartet_app.run.run_folder import code_digest, own_code_digest
from quartet_app.run.work_tree import changed, left_out, read_diff

Facts = dict[str, Any]


def lineage(run: RunRecord) -> Facts:
    """All that is known of `run`; None for what is not."""
    facts, config = run.facts, run.config
    return {
        "asked": run.asked,
        "name": run.name,
        "fingerprint": facts.get("fingerprint"),
        "status": "STOPPED EARLY" if facts.get("stopped_early") else facts["status"],
        "code": code(run),
        "command": facts.get("command"),
        "configuration": {
            "path": relative_to_cwd(run.folder / "config.yaml") if run.folder and config else None,
            "hash": facts.get("config_hash"),
            **{word: facts.get(word) for word in ("net", "task", "method")},
        },
        "data": data(run),
        "seed": facts.get("seed"),
        "trained_on": facts.get("trained_on"),
        "environment": facts.get("environment"),
        "sweep": sweep(run),
        "tuned_from": config.get("tuned_from") or (run.tracked.tags.get("tuned_from") if run.tracked else None),
        "result": result(run),
        "mlflow": {"run": facts.get("mlflow_run_id") or None, "store": run.store.uri},
        "made": {**made(run), **tracked(run)},
    }


def at_hand(run: RunRecord) -> tuple[str, str | None]:
    """The digests of the code as it is now: the shipped, and what the run names of the user's own."""
    return code_digest(), own_code_digest(run.config)


def code(run: RunRecord) -> Facts:
    """The sources: the commit, what the work config changed in it, and whether it is the code at hand."""
    path = run.folder / "work_tree.diff" if run.folder else None
    diff = read_diff(path)
    digest = run.facts.get("code_digest")
    return {
        "commit": run.facts.get("git_commit"),
        "digest": digest,
        "at_hand": None if digest is None else (digest, run.facts.get("own_code_digest")) == at_hand(run),
        "diff": relative_to_cwd(path) if path and diff else None,
        "changed": changed(diff),
        "left_out": left_out(diff),
    }


def data(run: RunRecord) -> Facts:
    """The data set, where it came from, and whether it is still prepared here as it was."""
    facts = run.facts
    kept = facts.get("dataset") or {}
    folder = run.table / (kept.get("folder") or f"data/{facts.get('data')}")
    manifest = read_json(folder / "manifest.json")
    same = manifest.get("digest") == facts.get("data_digest") if manifest else None
    told = {key: kept.get(key) or (manifest.get(key) if same else None) for key in ("origin", "licence")}
    source = run.config.get("data", {}).get("source") or kept.get("recipe")
    return {"name": facts.get("data"), "digest": facts.get("data_digest"), **told, "source": source,
            "folder": folder.as_posix() if manifest else None, "same": same}  # fmt: skip


def sweep(run: RunRecord) -> Facts | None:
    """The sweep that the run is a trial of, with what the trial was given."""
    kept = run.facts.get("sweep")
    if kept is None and run.tracked and "trial" in run.tracked.tags:
        kept = {"folder": run.tracked.tags.get("study"), "trial": int(run.tracked.tags["trial"]),
                "parent": run.tracked.tags.get("mlflow.parentRunId")}  # fmt: skip
    if kept is None:
        return None
    journal = Path(kept["folder"]) / "trials.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may be half written
    mine = [one for one in events if one["trial"] == kept["trial"]]
    values = next((one["values"] for one in mine if one["event"] == "start"), None)
    return {**kept, "values": values, "changed": any(one["event"] == "change" for one in mine)}


def result(run: RunRecord) -> Facts | None:
    """What came out, and whether the weights are still those that training wrote."""
    if not run.ended or run.folder is None:
        return None
    facts, path = run.facts, run.folder / "model.safetensors"
    kept, written = sha256(path) if path.exists() else None, facts.get("weights_sha256")
    weights = {"path": relative_to_cwd(path) if kept else None, "sha256": written or kept,
               "intact": kept == written if kept and written else None}  # fmt: skip
    keys = ("monitor", "metrics", "parameters", "samples_seen", "steps", "train_seconds")
    return {**{key: facts.get(key) for key in keys}, "weights": weights}


def made(run: RunRecord) -> Facts:
    """The files here that were made of the run: copies, what was evaluated, the report's row, tuned configurations."""
    facts = run.facts
    runs = list_local_runs()
    folders = [one.folder for one in runs if one.folder and one.identity == run.identity]
    if run.folder and run.folder.resolve() not in [one.resolve() for one in folders] and run.asked:
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
    rows = entries_of(report, facts.get("experiment", ""), int(seed)) if seed is not None else []
    keys = ("config_hash", "data_digest", "git_commit", "mlflow_run_id")
    reported = any(all((row.get(key) or "") == (facts.get(key) or "") for key in keys) for row in rows)
    trial = relative_to_cwd(run.folder) if run.folder else None
    tuned = [
        path for path in sorted((CONF / "tuned").glob("*.yaml")) if trial and _yaml(path).get("tuned_from") == trial
    ]
    return {
        "folders": [relative_to_cwd(folder) for folder in folders],
        "evaluated": evaluated,
        "report": relative_to_cwd(report) if reported else None,
        "report_shows_another": bool(rows) and not reported,
        "tuned": [relative_to_cwd(path) for path in tuned],
        "tuned_runs": [
            relative_to_cwd(one.folder)
            for one in runs
            if one.folder and trial and f"tuned_from: {trial}\n" in _text(one)
        ],
    }


def tracked(run: RunRecord) -> Facts:
    """What MLflow has of the run: its status, other runs of the same fingerprint, comparisons, registered versions."""
    facts, store = run.facts, run.store
    ids = [facts["mlflow_run_id"]] if facts.get("mlflow_run_id") else []
    nothing: Facts = {"mlflow_runs": [], "comparisons": [], "registered": [], "not_asked": None}
    if not ids or not store.exists:
        return nothing
    try:
        found = run.tracked or store.run(ids[0])
        same = {found.id: found} if found else {}
        if facts.get("fingerprint"):
            same |= {one.id: one for one in store.tagged("fingerprint", facts["fingerprint"])}
        versions = [version for one in same for version in store.versions(one)]
    except QuartetError as error:  # a server that is down: what lies here is known all the same
        return {**nothing, "not_asked": str(error).partition("\n")[0]}
    comparisons = [word for one in same.values() for word in one.tags.get("comparisons", "").split()]
    return {
        **nothing,
        "comparisons": sorted(set(comparisons)),
        "mlflow_runs": [{"run": one.id, "name": one.name, "status": one.status} for one in same.values()],
        "registered": [
            {"model": one.name, "version": one.version, "aliases": list(one.aliases), "run": one.run}
            for one in versions
        ],
    }


def _yaml(path: Path) -> Facts:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _text(run: RunRecord) -> str:
    """A run's configuration as it is written: read for one line, of hundreds of runs."""
    return (run.folder / "config.yaml").read_text(encoding="utf-8") if run.folder else ""
