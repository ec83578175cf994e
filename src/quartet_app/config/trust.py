"""Refuse what a file must not bring about: a run's folder, or a resolved configuration, may come from somebody else.

A `_target_` in such a file is imported only where it names a part of a run: a net, a task, a method, a source … of
Quartet, an optimizer of torch.optim, a class of a package that the project's own configuration names, or exactly what
that configuration names. What a person types, and what lies in conf/, is the project's own and is not asked here.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quartet.types import QuartetError, check_name
from quartet_app.config.containers import join, walk
from quartet_app.config.own_code import is_installed, source_files, targets
from quartet_app.config.project import conf_folders, project, store_folder
from quartet_app.config.signatures import base_classes, find_definition

OURS = ("quartet", "quartet_app")
OPTIMIZERS = "torch.optim"
# The class that each section's `_target_` must be derived from.
PARTS = {
    "net": "quartet.nets.base.Net",
    "task": "quartet.tasks.task.Task",
    "method": "quartet.methods.method.Method",
    "tracking": "quartet.tracking.tracker.Tracker",
    "data.source": "quartet.data.preparing.source.Source",
    "data.loading": "quartet.data.loading.module.DataModule",
}
# What else of ours a file may name: these, and the classes derived from them.
OTHERS = {
    "quartet.data.loading.augment.Augment",
    "quartet.data.loading.kinds.kind.Kind",
    "quartet.methods.adversarial.StoppingRule",
    "quartet.nets.frozen.frozen_classifier",
    "quartet_app.run.workers.launch.Local",
    "quartet_app.run.workers.ray_train.Cluster",
    *(f"quartet.methods.schedule.{name}" for name in ("constant", "linear", "cosine", "trapezoid")),
}
DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
SERVER = re.compile(r"\w+://[^\s\"',\]}]+")
NAMED = re.compile(r"\b_target_[\"']?\s*[:=]\s*[\"']?([\w.]+)")
LOCAL = ("127.0.0.1", "::1", "localhost")
RECORD = "runs/own_targets.txt"  # in the project's folder: what a person named on command lines of `quartet train`


def check_file(content: dict[str, Any], path: Path) -> None:
    """Raise QuartetError where a configuration that was read from the file `path` names what it may not.

    That is a `_target_` which is not to be trusted, a name that would become another path than one folder's, or an
    MLflow server that the project does not know.
    """
    for key, node in walk(content):
        if not isinstance(node, dict):
            continue
        if "_target_" in node and not may_import(node["_target_"], key):
            raise QuartetError(
                f"{path}: {join(key, '_target_')}: given {node['_target_']!r}, which a file may not name: it is no "
                "part of a run, and your own conf/ does not name it\nif you trust it, name it in a file of conf/"
            )
        if "_args_" in node:
            raise QuartetError(f"{path}: {join(key, '_args_')}: a resolved file gives arguments by name; delete it")
    data = content.get("data")
    for key, name in (("experiment", content.get("experiment")), ("data.name", data and dict(data).get("name"))):
        if name is not None:
            check_name(name, f"{path}: {key}")
    tracking = content.get("tracking")
    check_server(tracking.get("uri") if isinstance(tracking, dict) else None, f"{path}: tracking.uri")


def check_server(uri: Any, key: str) -> None:
    """Raise QuartetError where a file names, as `key`, an MLflow server elsewhere that the project does not know.

    Such a server would get this machine's results, and the password or token that MLflow takes from the environment.
    """
    try:
        host = urlsplit(uri).hostname if isinstance(uri, str) else None
    except ValueError:
        host = "no host"
    if host is None or host in LOCAL or uri.rstrip("/") in known_servers():
        return
    raise QuartetError(
        f"{key}: given {uri}, a server that your own conf/ does not name\n"
        "it would get results and your credentials for MLflow; if you trust it, set MLFLOW_TRACKING_URI to it"
    )


def may_import(target: Any, key: str = "") -> bool:
    """Return True where a file may have `target` imported and called, as the part `key` of a configuration.

    Reads sources and imports nothing. A name that a module has only imported counts as the other module's.
    """
    if not isinstance(target, str) or not DOTTED.fullmatch(target):
        return False
    module, _, name = target.rpartition(".")
    found = find_definition(module, name)
    top = target.partition(".")[0]
    if found is not None and found[1].name.partition(".")[0] == top:
        definition, home = found
        is_class = isinstance(definition, ast.ClassDef)
        if top in OURS:
            return _is_part(definition, home, key)
        if is_class and f"{home.name}.".startswith(f"{OPTIMIZERS}."):
            return key not in PARTS
        if is_class and top in own_packages(named_targets()):
            return True
    return top not in OURS and target in named_targets()


def own_packages(named: set[str]) -> set[str]:
    """Return the packages of a user's own code among the targets `named`: those neither shipped nor installed."""
    tops = {target.partition(".")[0] for target in named} - set(sys.stdlib_module_names) - {*OURS, "torch"}
    return {top for top in tops if any(not is_installed(path) for path in source_files(top))}


def named_targets() -> set[str]:
    """Return every `_target_` that the project's own configuration names: conf/, params.yaml, and command lines."""
    return {target for line in _own_lines() if "_target_" in line for target in NAMED.findall(line)} | _recorded()


def known_servers() -> set[str]:
    """Return the MLflow servers that the environment or the project's own configuration names."""
    named = {uri for line in _own_lines() if "://" in line for uri in SERVER.findall(line)} | _recorded()
    return {uri.rstrip("/") for uri in (os.environ.get("MLFLOW_TRACKING_URI", ""), *named)}


def _own_lines() -> Iterator[str]:
    """Yield the lines of the project's own configuration, without comments."""
    files = [path for folder in conf_folders() for path in folder.rglob("*.yaml")]
    files += [path for path in {Path("params.yaml").absolute(), project() / "params.yaml"} if path.is_file()]
    return (line.partition("#")[0] for path in files for line in path.read_text(encoding="utf-8").splitlines())


def remember_named(config: dict[str, Any]) -> None:
    """Record what only a command line names, so that later commands of this project trust the run that it makes."""
    new = {target for target in targets(config) if not may_import(target)} - _recorded()
    try:
        check_server(uri := config["tracking"].get("uri"), "")
    except QuartetError:
        new.add(uri)
    if new:
        record = store_folder() / RECORD
        record.parent.mkdir(parents=True, exist_ok=True)
        with record.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in sorted(new))


def _recorded() -> set[str]:
    record = store_folder() / RECORD
    return set(record.read_text(encoding="utf-8").split()) if record.is_file() else set()


def _is_part(definition: Any, home: Any, key: str) -> bool:
    """Return True where a definition of ours is, or is derived from, what the part `key` needs."""
    lineage = {f"{home.name}.{definition.name}"}
    if isinstance(definition, ast.ClassDef):
        lineage = {f"{module.name}.{each.name}" for each, module in base_classes(definition, home)}
    wanted = {PARTS[key]} if key in PARTS else {*PARTS.values(), *OTHERS}
    return not wanted.isdisjoint(lineage)
