"""The parts of the slow tests: each test is in one, one that fails is run again alone, and what needed it is named."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import slow_part

PARTS = 2
SETTINGS = """[pytest]
addopts = --strict-markers --import-mode=importlib -m "not slow and not network"
markers =
    slow: a
    network: b
    floors: c
"""
TESTS = """from pathlib import Path
import pytest

pytestmark = pytest.mark.slow

def note(name):
    with open("ran", "a") as file:
        file.write(name + "\\n")

@pytest.mark.parametrize("number", range(9))
def test_passes(number):
    note(f"passes {number}")

def test_fails_once():
    note("fails once")
    first = not Path("been here").exists()
    Path("been here").touch()
    assert not first

def test_takes_hours():
    note("takes hours")

@pytest.mark.timeout(3600)
def test_allows_itself_hours():
    note("allows itself hours")

@pytest.mark.network
def test_fetches():
    note("fetches")
"""
FAILS = "\n@pytest.mark.timeout(1800)\ndef test_fails():\n    assert False\n"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A small repository that has these tests and this script."""
    (tmp_path / "tests").mkdir()
    script = Path(slow_part.__file__).read_text(encoding="utf-8")
    (tmp_path / "tests" / "slow_part.py").write_text(script.replace("PARTS = 6", f"PARTS = {PARTS}"))
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "tests" / "test_toy.py").write_text(TESTS)
    write_seconds(tmp_path, takes_hours=7200.0)
    return tmp_path


def write_seconds(toy: Path, **seconds: float) -> None:
    known = {f"tests/test_toy.py::test_{name}": value for name, value in seconds.items()}
    (toy / "tests" / "slow_seconds.json").write_text(json.dumps(known))


def part(toy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "GIT_"))}
    script = [sys.executable, str(toy / "tests" / "slow_part.py")]
    return subprocess.run([*script, *words], cwd=toy, capture_output=True, text=True, env=env, timeout=120)


def test_each_test_is_in_one_part_and_an_accident_is_named(toy: Path) -> None:
    done = [part(toy, str(number)) for number in range(PARTS)]
    assert [one.returncode for one in done] == [0] * PARTS, [one.stdout for one in done]
    ran = (toy / "ran").read_text().splitlines()
    assert sorted(ran) == sorted([*(f"passes {number}" for number in range(9)), "fails once", "fails once"])
    named = [line for one in done for line in one.stdout.splitlines() if "failed, then passed alone" in line]
    assert named == ["slow tests: failed, then passed alone: tests/test_toy.py::test_fails_once"]


def test_what_fails_twice_counts(toy: Path) -> None:
    (toy / "tests" / "test_toy.py").write_text(TESTS + FAILS)
    done = [part(toy, str(number)) for number in range(PARTS)]
    assert sorted(one.returncode for one in done) == [0] * (PARTS - 1) + [1]
    assert any("slow tests: failed: tests/test_toy.py::test_fails\n" in one.stdout for one in done)


def test_tests_that_cannot_be_read_count(toy: Path) -> None:
    (toy / "tests" / "test_toy.py").write_text("import absent_module\n")
    assert part(toy, "0").returncode not in (0, 1)


def test_where_time_is_up_the_rest_waits(toy: Path) -> None:
    script = toy / "tests" / "slow_part.py"
    script.write_text(script.read_text().replace("TIME = 16 * 60", "TIME = 1"))
    (toy / "tests" / "test_toy.py").write_text(TESTS.replace("note(f", "__import__('time').sleep(0.3), note(f"))
    done = part(toy, "0")
    assert done.returncode == 0, done.stdout
    assert "the rest of the part was left" in done.stdout
    assert "fails once" not in (toy / "ran").read_text()


def test_the_part_is_the_number_of_commits(toy: Path) -> None:
    (toy / "been here").touch()
    assert "commits cannot be counted" in (said := part(toy).stdout)
    assert "part 0 of 0 to 1" in said
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "init", "-q"], cwd=toy, check=True)
    for _ in range(PARTS + 1):
        subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "a"], cwd=toy, check=True)
    assert "part 1 of 0 to 1" in part(toy).stdout
    assert (toy / "ran").read_text().splitlines()[-1] != "fails once", "it begins where it did at the first commit"
    subprocess.run(["git", "clone", "-q", "--depth=3", f"file://{toy}", "shallow"], cwd=toy, check=True)
    shutil.copytree(toy / "tests", toy / "shallow" / "tests", dirs_exist_ok=True)
    shutil.copy(toy / "pytest.ini", toy / "shallow")
    said = part(toy / "shallow").stdout
    assert "commits cannot be counted" in said
    assert "part 0 of" in said


def test_the_durations_are_of_slow_tests_that_are_there() -> None:
    seconds = json.loads(slow_part.SECONDS.read_text(encoding="utf-8"))
    for test in seconds:
        file, name = re.split("::", test, maxsplit=1)
        text = (slow_part.ROOT / file).read_text(encoding="utf-8")
        assert f"def {name.split('[')[0].split('::')[-1]}(" in text, f"{test}: time the slow tests again"
