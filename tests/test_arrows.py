"""Who may import whom, how large a room may be, and what must stay light: the rules of the house."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "quartet").rglob("*.py"))
APP = sorted((ROOT / "src" / "quartet_app").rglob("*.py"))
PLUGINS = sorted((ROOT / "src" / "hydra_plugins").rglob("*.py"))
STAGES = sorted((ROOT / "pipelines").glob("*.py"))
MOST_FILES, MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_A_STAGE = 16, 250, 40, 40
# What a room may import of quartet beside itself.
ARROWS = {
    "nets": {"types"},
    "tasks": {"types"},
    "data": {"types"},
    "tracking": {"types", "roles", "sqlite"},
    "report": set(),
    "serving": set(),
    "findings": {"types"},
    "roles": {"types", "data"},
    "export": {"types", "description", "roles"},
    "cost": {"types", "roles", "export"},
    "description": {"types", "renamed", "roles"},
    "renamed": set(),
    "methods": {"tasks", "nets", "types", "budget"},
    "budget": {"types"},
    "types": set(),
    "sqlite": set(),
}
# The folders within a room, each of which may import those after it.
INSIDE = {
    "data": ("sources", "preparing", "loading"),
    "report": (
        "findings",
        "answering",
        "lines",
        "evidence",
        "sweep",
        "comparing",
        "chance",
        "extrapolating",
        "drawing",
        "tasks",
    ),
}
# The rooms of the application: each may import those of the lines below it, not those of its own line.
LEVELS = [
    {"__main__"},
    {"commands"},
    {"choose", "findings"},
    {"cli", "table", "provenance", "estimate", "comparison", "predict"},
    {"sweep"},
    {"run"},
    {"data"},
    {"config"},
    {"files", "forking", "near", "progress", "streams"},
    {"processes"},
]


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, those for type checking only left out."""
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
            yield from _imported(node.module or "", [alias.name for alias in node.names])


def _imported(module: str, names: list[str]) -> Iterator[str]:
    """Yield what `from module import names` imports: modules of ours by their own names, else `module`."""
    folder = ROOT / "src" / module.replace(".", "/")
    inner = [name for name in names if (folder / f"{name}.py").exists() or (folder / name).is_dir()]
    yield from (f"{module}.{name}" for name in inner)
    if len(inner) < len(names):
        yield module


def room(path: Path, package: str = "quartet") -> str:
    return path.relative_to(ROOT / "src" / package).parts[0].removesuffix(".py")


def level(name: str) -> int:
    return next(number for number, rooms in enumerate(LEVELS) if name in rooms)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path: Path) -> None:
    if room(path) == "__init__":
        return
    for module in imports(path):
        parts = module.split(".")
        outside = {"hydra", "ray", "dvc", "pipelines", "omegaconf", "quartet_app"}
        assert parts[0] not in outside, f"{path} imports {module}"
        assert parts[0] != "mlflow" or room(path) in {"tracking", "serving"}, f"{path} imports mlflow"
        if parts[0] == "quartet" and len(parts) > 1 and parts[1] != room(path):
            assert parts[1] in ARROWS[room(path)], f"{path} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_within_a_room_point_one_way(path: Path) -> None:
    folders = INSIDE.get(room(path), ())
    own = next((name for name in folders if name in path.parts), None)
    for module in imports(path):
        other = next((name for name in folders if f"quartet.{room(path)}.{name}" in module), None)
        if own is not None and other is not None:
            assert folders.index(other) >= folders.index(own), f"{path} imports {module}"


@pytest.mark.parametrize("path", APP, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_of_the_application_point_one_way(path: Path) -> None:
    own = room(path, "quartet_app")
    for module in imports(path):
        parts = module.split(".")
        assert parts[0] not in {"dvc", "pipelines"}, f"{path} imports {module}"
        if parts[0] == "quartet_app" and len(parts) > 1 and own != "__init__" and parts[1] != own:
            assert level(parts[1]) > level(own), f"{path} imports {module}"


def test_no_circle_of_files() -> None:
    """A file that is imported when it is loaded, or inside a function, never leads back to itself."""
    names = {_module(path): path for path in [*SOURCES, *APP, *PLUGINS]}
    edges = {name: {module for module in imports(path) if module in names} for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join([*above[above.index(name) :], name])
        if name not in done:
            for other in edges[name]:
                visit(other, (*above, name))
            done.add(name)

    for name in names:
        visit(name, ())


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_room_has_its_arrows() -> None:
    assert {room(path) for path in SOURCES} - {"__init__"} <= set(ARROWS)
    assert {room(path, "quartet_app") for path in APP} - {"__init__"} == set.union(*LEVELS)


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.name)
def test_the_plugins_stand_on_their_own(path: Path) -> None:
    for module in imports(path):
        outside = {"quartet", "quartet_app", "mlflow", "torch"}
        assert module.split(".")[0] not in outside, f"{path} imports {module}"


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.name)
def test_stages_are_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_STAGE
    assert {module.split(".")[0] for module in imports(path)} <= {"sys", "quartet_app"}


def test_rooms_are_small() -> None:
    for top in ("src", "pipelines", "tests", "benchmarks"):
        for folder in {path.parent for path in (ROOT / top).rglob("*.py")}:
            assert len(list(folder.glob("*.py"))) <= MOST_FILES, folder


def test_files_and_functions_are_short() -> None:
    for path in [*SOURCES, *APP, *PLUGINS, *STAGES]:
        text = path.read_text()
        assert len(text.splitlines()) < MOST_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                assert length < MOST_LINES_OF_A_FUNCTION, f"{path}: {node.name} has {length} lines"


def test_no_module_is_called_utils() -> None:
    for path in [*SOURCES, *APP, *PLUGINS, *STAGES]:
        assert path.stem not in {"utils", "util", "helpers", "misc", "common"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import quartet.types, quartet.budget", {"torch", "numpy", "mlflow", "hydra"}),
        ("import quartet.data", {"torch", "pytorch_lightning"}),
        ("import quartet.tracking", {"mlflow", "torch"}),
        ("from quartet import roles; [roles.find(name) for name in roles.SHIPPED]", {"torch", "numpy", "mlflow"}),
        ("import quartet.report", {"torch", "matplotlib", "mlflow"}),
        ("import quartet.methods", {"mlflow", "ray", "dvc", "hydra"}),
        ("import hydra_plugins.quartet_ray_sweeper", {"ray", "hydra", "omegaconf", "optuna"}),
        ("from hydra.core.plugins import Plugins; Plugins.instance()", {"ray", "optuna", "torch", "quartet"}),
        ("import quartet_app.__main__", {"torch", "hydra", "omegaconf", "mlflow", "ray", "dvc", "numpy", "yaml"}),
        ("import quartet_app.run.train, quartet_app.predict.answers", {"torch", "mlflow", "ray", "dvc", "numpy"}),
        (
            "import quartet_app.commands.trace, quartet_app.provenance.lineage, quartet_app.provenance.repeat",
            {"torch", "mlflow", "ray", "numpy"},
        ),
        ("import quartet_app.estimate.plan", {"torch", "pytorch_lightning", "mlflow", "ray", "dvc"}),
    ],
)
def test_imports_are_light(statement: str, forbidden: set[str]) -> None:
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not set(loaded.split()) & forbidden
