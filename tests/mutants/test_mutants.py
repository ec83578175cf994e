"""The mutation tester: few mutants of a small file, found by its tests and not by others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from mutants import __main__ as tool
from mutants.folders import FOLDERS, ROOT
from mutants.mutations import candidates

MATCH = "src/quartet_app/run/match.py"
SCHEDULE = "src/quartet/methods/schedule.py"


def mutants(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mutants", *words], capture_output=True, text=True, env=env, cwd=ROOT, timeout=500
    )


def test_what_the_tests_of_a_file_find_and_what_they_do_not() -> None:
    before = (ROOT / SCHEDULE).read_bytes()
    found = mutants("--only", SCHEDULE, "--tests", "tests/methods/test_schedule.py", "--per-folder", "2", "--seed", "0")
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count("found in") == 2
    assert "100.0% found or accepted" in found.stdout
    blind = mutants("--plant", SCHEDULE, "0.5 * (", "0.6 * (", "--tests", "tests/methods/test_batches.py")
    assert blind.returncode == 1, blind.stdout + blind.stderr
    assert (ROOT / SCHEDULE).read_bytes() == before, "a mutant was made in the checkout"


def test_constants_and_decorated_functions_are_changed_too() -> None:
    changes = [found.change for one in candidates(ROOT, MATCH) if (found := one.mutant())]
    assert ("TOLERANCE = 0.02", "TOLERANCE = 1.02") in changes
    assert ("CLOSE = 0.005", "CLOSE = None") in changes
    decorated = [one.mutant() for one in candidates(ROOT, "src/quartet/methods/adversarial.py")]
    assert any(one and one.change[1] == "parameter.requires_grad = True" for one in decorated)


def test_sentences_and_annotations_are_left_alone() -> None:
    for one in candidates(ROOT, MATCH):
        if found := one.mutant():
            assert "XXgive one of these" not in found.after
            assert not found.change[0].startswith("Config")


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
