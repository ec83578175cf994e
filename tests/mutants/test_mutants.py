"""The mutation tester: few mutants of a small file, found by its tests and not by others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import __main__ as tool
from mutants.folders import FOLDERS, ROOT
from mutants.mutations import candidates

SCHEDULE = "src/quartet/methods/schedule.py"


# A constant, a name for a type, a default of a class and a function with a decorator, an annotation and a sentence.
CODE = """Pair = tuple[int, int] | None
LIMIT = 0.02

class Rule:
    patience: int = 3

    @property
    def late(self) -> int | None:
        return self.patience - LIMIT

def pairs(a: Pair, b):
    for one in zip(a, b, strict=True):
        yield "a sentence", "word", one
"""
CHANGES = [
    ("LIMIT = 0.02", "LIMIT = None"),
    ("LIMIT = 0.02", "LIMIT = 1.02"),
    ("patience: int = 3", "patience: int = None"),
    ("patience: int = 3", "patience: int = 4"),
    ("return self.patience - LIMIT", "return self.patience + LIMIT"),
    ('yield "a sentence", "word", one', 'yield "a sentence", "XXwordXX", one'),
]


def mutants(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mutants", *words], capture_output=True, text=True, env=env, cwd=ROOT, timeout=500
    )


@pytest.mark.slow
def test_what_the_tests_of_a_file_find_and_what_they_do_not() -> None:
    before = (ROOT / SCHEDULE).read_bytes()
    found = mutants("--only", SCHEDULE, "--tests", "tests/methods/test_schedule.py", "--per-folder", "2", "--seed", "0")
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count("found in") == 2
    assert "100.0% found or accepted" in found.stdout
    blind = mutants("--plant", SCHEDULE, "0.5 * (", "0.6 * (", "--tests", "tests/methods/test_batches.py")
    assert blind.returncode == 1, blind.stdout + blind.stderr
    assert (ROOT / SCHEDULE).read_bytes() == before, "a mutant was made in the checkout"


def test_what_is_changed_and_what_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where mutmut looks for its settings
    (tmp_path / "code.py").write_text(CODE)
    changes = [found.change for one in candidates(tmp_path, "code.py") if (found := one.mutant())]
    assert sorted(changes) == sorted(CHANGES)


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_has_its_sources_and_its_tests(name: str) -> None:
    assert FOLDERS[name].sources(ROOT)
    for path in [*FOLDERS[name].code, *FOLDERS[name].tests]:
        assert (ROOT / path).exists(), path


def test_what_is_accepted_is_still_there() -> None:
    for file in {one["file"] for one in tool.reasons()}:
        lines = {line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines()}
        for one in (one for one in tool.reasons() if one["file"] == file):
            assert one["reason"].strip(), one
            assert set(one["was"].strip().splitlines()) <= lines, f"accepted.yaml: {file} has no longer {one['was']!r}"
