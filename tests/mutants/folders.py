"""What is mutated, by folder, and the tests that must find it. Paths are relative to the repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT = "not test_every_shipped_experiment_runs"  # 40 runs that say little more than that nothing crashes
GOLDEN = "tests/quartet_app/run/test_golden.py"  # the curve of a tiny run of each family


@dataclass(frozen=True)
class Folder:
    """Files or folders with the code, and those with its tests. `without`: names of files that slow tests alone run."""

    code: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()

    def sources(self, root: Path) -> list[str]:
        """Return the Python files of `code` below `root`, in order."""
        found = [
            path
            for name in self.code
            for path in ([root / name] if name.endswith(".py") else (root / name).rglob("*.py"))
        ]
        return sorted(str(path.relative_to(root)) for path in found if path.name not in self.without)


SWEEPER = "src/hydra_plugins/quartet_ray_sweeper"
FOLDERS = {
    "nets": Folder(("src/quartet/nets",), ("tests/nets", GOLDEN)),
    "tasks": Folder(("src/quartet/tasks",), ("tests/tasks", GOLDEN)),
    "methods": Folder(("src/quartet/methods",), ("tests/methods", "tests/quartet_app/run")),
    "loading": Folder(("src/quartet/data/loading",), ("tests/data", GOLDEN)),
    "statistics": Folder(
        tuple(
            f"src/quartet/report/{name}.py"
            for name in (
                "comparing/statistics",
                "comparing/power",
                "comparing/verdict",
                "comparing/matched",
                "chance/chance",
                "chance/holm",
                "chance/permutation",
            )
        ),
        ("tests/report",),
    ),
    "run": Folder(("src/quartet_app/run",), ("tests/quartet_app/run",), ("ray_train.py", "ray_reports.py")),
    "sweeper": Folder(
        (f"{SWEEPER}/_journal.py", f"{SWEEPER}/_space.py"),
        ("tests/sweeper/test_journal.py", "tests/sweeper/test_space.py"),
    ),
}
