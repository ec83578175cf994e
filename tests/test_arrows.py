"""Who may import whom, and what must stay light: the rules of the house."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from quartet.data.store import READERS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "quartet").rglob("*.py"))
PLUGIN = sorted((ROOT / "src" / "hydra_plugins").rglob("*.py"))
# What a room may import of quartet beside itself.
ARROWS = {
    "nets": {"types"},
    "tasks": {"types"},
    "data": {"types"},
    "tracking": {"types"},
    "report": set(),
    "serving": set(),
    "export": {"types", "description"},
    "description": {"types"},
    "methods": {"tasks", "nets", "types", "budget"},
    "budget": {"types"},
    "types": set(),
}


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, those for type checking only left out."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def room(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "quartet").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path: Path) -> None:
    if room(path) == "__init__":
        return
    for module in imports(path):
        parts = module.split(".")
        assert parts[0] not in {"hydra", "ray", "dvc", "pipelines", "omegaconf"}, f"{path} imports {module}"
        assert parts[0] != "mlflow" or room(path) in {"tracking", "serving"}, f"{path} imports mlflow"
        if parts[0] == "quartet" and len(parts) > 1 and parts[1] != room(path):
            assert parts[1] in ARROWS[room(path)], f"{path} imports {module}"


def test_every_room_has_its_arrows() -> None:
    assert {room(path) for path in SOURCES} - {"__init__"} <= set(ARROWS)


@pytest.mark.parametrize("path", PLUGIN, ids=lambda path: path.name)
def test_the_sweeper_stands_on_its_own(path: Path) -> None:
    for module in imports(path):
        assert module.split(".")[0] not in {"quartet", "pipelines", "mlflow", "torch"}, f"{path} imports {module}"


def test_no_module_is_called_utils() -> None:
    for path in [*SOURCES, *PLUGIN, *(ROOT / "pipelines").glob("*.py")]:
        assert path.stem not in {"utils", "util", "helpers", "misc", "common"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import quartet.types, quartet.budget", {"torch", "numpy", "mlflow", "hydra"}),
        ("import quartet.data", {"torch", "pytorch_lightning"}),
        ("import quartet.tracking", {"mlflow", "torch"}),
        ("import quartet.report", {"torch", "matplotlib", "mlflow"}),
        ("import quartet.methods", {"mlflow", "ray", "dvc", "hydra"}),
        ("import hydra_plugins.quartet_ray_sweeper", {"ray", "hydra", "omegaconf", "optuna"}),
        ("from hydra.core.plugins import Plugins; Plugins.instance()", {"ray", "optuna", "torch", "quartet"}),
        (
            "import pipelines.train, pipelines.prepare, pipelines.compose, pipelines.predict",
            {"torch", "mlflow", "ray", "dvc", "numpy"},
        ),
        ("import pipelines.trace, pipelines.lineage, pipelines.repeat", {"torch", "mlflow", "ray", "numpy"}),
        ("import pipelines.plan", {"torch", "pytorch_lightning", "mlflow", "ray", "dvc"}),
    ],
)
def test_imports_are_light(statement: str, forbidden: set[str]) -> None:
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not set(loaded.split()) & forbidden


def test_dvc_reruns_what_reads_the_data_when_the_readers_change() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    readers = {f"src/quartet/data/{name}" for name in READERS}
    assert readers <= set(stages["train"]["deps"])
    assert readers - {"src/quartet/data/augment.py"} <= set(stages["evaluate"]["deps"])
    assert all((ROOT / reader).exists() for reader in readers)
