"""DVC's lists are true: what a stage imports, and can change its outputs, is among its dependencies."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from test_arrows import imports

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
LIBRARY = ("nets", "tasks", "methods", "data/loading")  # rooms that conf/ names by `_target_`
# What a stage also reaches by names in conf/.
BY_NAME = {"compose": (), "prepare": ("data/sources",), "train": LIBRARY, "evaluate": LIBRARY, "compare": ()}
# Modules that a stage imports and that cannot change what it writes, or that another dependency stands for.
HARMLESS = {
    "quartet_app.cli": "parses the command line and says how it ended",
    "quartet_app.commands": "parses the command line",
    "quartet_app.near": "words of a refusal",
    "quartet_app.progress": "progress bars",
    "quartet_app.files": "reads and writes small files whole",
    "quartet_app.forking": "runs a stage's script in another process, or not at all where code was edited since",
    "quartet_app.processes": "ends a stage with the command that started it",
    "quartet_app.streams": "prints any text in any encoding",
    "quartet.sqlite": "names MLflow's database",
    "quartet_app.run.unsent": "says what did not reach MLflow",
    "quartet_app.run.verify": "refuses files that were changed since they were written",
    "quartet_app.run.crash": "how a failure is told",
    "quartet.data": "a façade that imports when asked",
    "quartet.types": "words that all rooms share",
    "quartet.renamed": "names of old files",
    "hydra_plugins": "a stage is no sweep",
}
HARMLESS_IN = {
    "compose": {
        "quartet.budget": "checks the unit of a budget, which is written as it was given",
        "quartet.data.loading": "names the kinds of data, for the checks",
        "quartet.findings": "checks the form of a rule, which it does not write",
    },
    "prepare": {
        "quartet_app.config": "reads the resolved files, which are dependencies",
        "quartet.budget": "checks the unit of a budget",
        "quartet.data.loading": "reads what is prepared, but for the two files that are dependencies",
    },
    "train": {
        "quartet_app.config": "reads and checks the resolved file, which is a dependency",
        "quartet_app.data": "finds prepared data, whose digest is a dependency",
        "quartet.data.preparing": "finds prepared data, whose digest is a dependency",
        "quartet.data.sources": "finds prepared data, whose digest is a dependency",
        "quartet_app.sweep": "a stage is no sweep",
        "quartet_app.run.workers.checkpoint_files": "where checkpoints are written",
        "quartet_app.run.workers.checkpoints": "reads what was written, or refuses it",
        "quartet_app.run.workers.launch": "starts the workers, who train the same whoever started them",
        "quartet_app.run.workers.local_workers": "starts the workers, who train the same whoever started them",
        "quartet_app.run.workers.ray_backend": "lets the workers meet, who train the same however they met",
        "quartet_app.run.workers.ray_reports": "carries what workers report to the driver",
        "quartet_app.run.workers.ray_train": "starts the workers, who train the same whoever started them",
        "quartet_app.run.run_folder": "keeps the run's folder and its name",
        "quartet_app.run.train": "keeps the record of the run and its tracking",
        "quartet_app.run.tracked_run": "what MLflow is told",
        "quartet_app.run.work_tree": "keeps the diff of the sources",
        "quartet.export": "makes the model that MLflow stores",
        "quartet.report": "a sweep's figures",
        "quartet.serving": "predicts with the model that MLflow stores",
        "quartet.tracking": "what MLflow is told",
    },
    "evaluate": {
        "quartet_app.config": "reads the run's configuration, which is a dependency",
        "quartet_app.data": "finds prepared data, whose digest is a dependency",
        "quartet.data.preparing": "finds prepared data, whose digest is a dependency",
        "quartet.data.sources": "finds prepared data, whose digest is a dependency",
        "quartet_app.run.workers.checkpoints": "reads the weights, which are a dependency, or refuses them",
        "quartet_app.run.results": "reads what the stage has written, for MLflow's figures",
        "quartet.methods": "trained the weights, which are a dependency",
        "quartet.budget": "the length of a training that is over",
        "quartet.report": "MLflow's figures",
        "quartet.tracking": "what MLflow is told",
        "quartet.description": "describes the model, in a file that is a dependency",
        "quartet.roles": "describe the model, in a file that is a dependency",
        "quartet.serving": "predicts with the model that MLflow stores",
        "quartet_app.run.environment": "names the processor",
    },
    "compare": {
        "quartet.budget": "checks the unit of a budget",
        "quartet_app.config": "reads the runs' configurations, which are dependencies",
        "quartet.findings": "is asked by the stages of a table of findings alone",
        "quartet_app.run": "reads the runs, which are dependencies",
        "quartet_app.data": "compares what was evaluated, reads no data",
        "quartet.data": "compares what was evaluated, reads no data",
    },
}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in SRC.rglob("*.py"):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def reached(stage: str) -> set[str]:
    """Return the modules under src/ that the stage imports, at once or when it runs."""
    waiting = [*named(ROOT / "pipelines" / f"{stage}.py")]
    for room in BY_NAME[stage]:
        waiting += [name for name, path in modules().items() if path.is_relative_to(SRC / "quartet" / room)]
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in done:
            done.add(name)
            waiting += named(modules()[name])
    return done


def named(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports; a package is its `__init__`, and names of a façade its homes."""
    for module in imports(path):
        while module and module not in modules():
            module = module.rpartition(".")[0]
        if module:
            yield module
            yield from homes(modules()[module])


def homes(path: Path) -> Iterator[str]:
    """Yield the modules in the table HOMES of a façade that imports when asked (PEP 562)."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOMES":
            package = ".".join(path.parent.relative_to(SRC).parts)
            yield from {f"{package}.{home}" for home in ast.literal_eval(node.value).values()}


def harmless(stage: str, name: str) -> bool:
    facade = name == "quartet.data"
    rooms = [one for one in (*HARMLESS, *HARMLESS_IN[stage]) if one != "quartet.data" or stage == "compare"]
    return facade or any(name == one or name.startswith(f"{one}.") for one in rooms)


def covers(dependency: str, path: Path) -> bool:
    return path == ROOT / dependency or (ROOT / dependency) in path.parents


def source_dependencies(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "pipelines/"))]


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_imports_is_among_its_dependencies(stage: str) -> None:
    deps = source_dependencies(stage)
    empty = {
        name for name, path in modules().items() if path.name == "__init__.py" and "import" not in path.read_text()
    }
    deciding = {name for name in reached(stage) - empty if not harmless(stage, name)}
    missing = sorted(name for name in deciding if not any(covers(dep, modules()[name]) for dep in deps))
    assert not missing, f"dvc.yaml: {stage}: an edit of these reruns nothing: {missing}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_nothing_that_it_does_not_import(stage: str) -> None:
    paths = {modules()[name] for name in reached(stage)} | {ROOT / "pipelines" / f"{stage}.py"}
    for dep in source_dependencies(stage):
        assert (ROOT / dep).exists(), dep
        assert any(covers(dep, path) for path in paths), f"dvc.yaml: {stage}: {dep} is not imported"


@pytest.mark.parametrize("stage", STAGES)
def test_each_exception_is_needed(stage: str) -> None:
    for name in HARMLESS_IN[stage]:
        assert name in modules() or (SRC / name.replace(".", "/")).is_dir(), name


def test_what_names_a_run_makes_dvc_train_it_anew() -> None:
    """The fingerprint's sources are within the train stage's: nothing resumes that DVC would not rerun."""
    from quartet_app.run.run_folder import deciding_sources

    deps = source_dependencies("train")
    outside = [path for path in deciding_sources() if not any(covers(dep, path) for dep in deps)]
    prepares = {"preparing", "sources"}  # their data's digest is a dependency
    assert not [path for path in outside if not prepares & set(path.parts) and path.name != "__init__.py"]
