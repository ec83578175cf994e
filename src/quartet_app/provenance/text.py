"""Write a run's lineage as text for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Facts = dict[str, Any]
WIDTH = 15  # of the labels


def text(facts: Facts) -> str:
    """Return a lineage as text: a label and one or more lines for each part of it."""
    known = (facts["fingerprint"] or "")[:12] or "unknown"
    lines = [f"{facts['name']} · fingerprint {known} · {facts['status'].lower()}   ({facts['asked']})", ""]
    for label, answers in questions(facts):
        for first, answer in enumerate(answers):
            lines.append(f"{'' if first else label:{WIDTH}}{answer}")
    return "\n".join(lines)


def questions(facts: Facts) -> Iterator[tuple[str, list[str]]]:
    """Yield each label with its lines."""
    yield "code", list(code(facts["code"]))
    if facts["command"]:
        yield "command", [facts["command"]]
    conf = facts["configuration"]
    parts = " · ".join(f"{part} {conf[part]}" for part in ("net", "task", "method") if conf[part])
    yield "configuration", [f"{conf['path'] or 'lost'}, hash {_short(conf['hash'])}" + (f"; {parts}" if parts else "")]
    yield "data", list(data(facts["data"]))
    yield "seed", [str(facts["seed"])]
    if facts["trained_on"]:
        yield "trained on", [hardware(facts["trained_on"])]
    if facts["environment"]:
        yield "environment", [", ".join(f"{name} {value}" for name, value in facts["environment"].items())]
    if facts["sweep"]:
        yield "sweep", list(sweep(facts["sweep"]))
    if facts["tuned_from"]:
        yield "tuned by", [f"{facts['tuned_from']} (a trial; trace it for its sweep)"]
    if facts["result"]:
        yield "result", list(result(facts["result"]))
    if facts["mlflow"]["run"]:
        yield "MLflow", [f"run {facts['mlflow']['run']} in {facts['mlflow']['store']}"]
    yield "made of it", list(descendants(facts)) or ["nothing here"]


def code(facts: Facts) -> Iterator[str]:
    """Yield lines about the commit and the changes of the work tree."""
    digest = {True: "the code at hand", False: "not the code at hand", None: "code digest not recorded"}
    yield f"commit {facts['commit'] or 'unknown'}, {digest[facts['at_hand']]}"
    if facts["diff"]:
        paths = ", ".join(facts["changed"][:6]) + (" …" if len(facts["changed"]) > 6 else "")
        yield f"with {facts['diff']}: {len(facts['changed'])} changed ({paths}); --diff shows it"
    if facts["left_out"]:
        yield f"left out of it, as too large: {', '.join(facts['left_out'])}"


def data(facts: Facts) -> Iterator[str]:
    """Yield lines about the data set, its origin and its licence."""
    state = {True: f", prepared in {facts['folder']}", False: f"; {facts['folder']} holds another version now"}
    yield f"{facts['name']}, digest {_short(facts['digest'])}{state.get(facts['same'], ', not prepared here')}"
    if facts["source"]:
        keys = [key for key, value in facts["source"].items() if value is not None and key != "_target_"]
        settings = " ".join(f"{key}={facts['source'][key]}" for key in keys)
        yield f"from {facts['origin'] or facts['source'].get('_target_')}" + (f": {settings}" if settings else "")
    if facts["licence"]:
        yield f"licence: {facts['licence']}"


def hardware(facts: Facts) -> str:
    """Return a line about the devices and threads that a run was trained on."""
    devices = f"{facts['devices']} × {facts['accelerator']} ({facts['device']}), {facts['precision']}"
    threads = f"{facts['threads']} thread{'s' * (facts['threads'] > 1)}{' each' * (facts['devices'] > 1)}"
    cuda = f", CUDA {facts['cuda']}, cuDNN {facts['cudnn']}" if "cuda" in facts else ""
    return f"{devices}, {threads}, {facts['cpu_capability']}{cuda}"


def sweep(facts: Facts) -> Iterator[str]:
    """Yield lines about the sweep of a trial and the values that it tried."""
    yield f"trial {facts['trial']} of {facts['folder']}" + (
        f", MLflow run {facts['parent']}" if facts["parent"] else ""
    )
    if facts["values"]:
        yield " ".join(f"{key}={value}" for key, value in facts["values"].items())
    if facts["changed"]:
        yield "the scheduler changed its values during training"


def result(facts: Facts) -> Iterator[str]:
    """Yield lines about the monitored metric and the weights."""
    best = facts["metrics"][facts["monitor"]]
    yield f"{facts['monitor']} {best:.6g} after {facts['samples_seen']:,} samples in {facts['train_seconds']:.0f} s"
    weights = facts["weights"]
    state = {True: "as training wrote them", False: "NOT what training wrote: the file was changed", None: "unchecked"}
    yield f"weights {weights['path'] or 'not here'}, SHA-256 {_short(weights['sha256'])}" + (
        f", {state[weights['intact']]}" if weights["path"] else ""
    )


def descendants(facts: Facts) -> Iterator[str]:
    """Yield a line for each folder, evaluation, report, comparison and model version that was made of the run."""
    made = facts["made"]
    yield from (f"{folder}/" for folder in made["folders"])
    for path, metrics in made["evaluated"].items():
        yield f"{path}: " + ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
    if made["report"]:
        yield f"{made['report']}: the row {facts['name']}"
    if made["report_shows_another"]:
        yield f"(the report's row {facts['name']} is another run)"
    yield from (f"{path}, the configuration that it found" for path in made["tuned"])
    yield from (f"{folder}/, trained with what it found" for folder in made["tuned_runs"])
    if made["not_asked"]:
        yield f"(MLflow was not asked: {made['not_asked']})"
    for run in made["mlflow_runs"]:
        yield f"MLflow run {run['run']} ({run['name']}, {run['status'].lower()})"
    yield from (f"MLflow run {run}, a comparison that it takes part in" for run in made["comparisons"])
    for version in made["registered"]:
        aliases = "".join(f" @{alias}" for alias in version["aliases"])
        yield f"registered: {version['model']} version {version['version']}{aliases}"


def _short(digest: str | None) -> str:
    return (digest or "unknown")[:12]
