"""Run one part of the slow tests, a different one after each commit: `make test-part`.

The part is the number of commits modulo PARTS. pytest-split makes parts of equal duration from `slow_seconds.json`, the
seconds that each test took when all were last timed. What needs a network, hours or a GPU is in no part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECONDS = ROOT / "tests" / "slow_seconds.json"
CHOSEN = "slow and not network and not floors"
PARTS = 6  # four would take more than the time of a part
TIME = 16 * 60  # seconds that a part may take: tests that it has not come to then wait for another commit
LONGEST = 180.0  # seconds: a test that takes longer is in no part; one that takes three times as long has hung
STRIDE = 7  # tests by which a part begins later when its turn comes again
HOURS = 3600  # nor is one that allows itself so many seconds
ACCIDENTS = 3  # tests that are run again; where more fail, it was no accident


def main(words: list[str]) -> int:
    """Run the part, then each test that failed once more, alone; return 1 where one fails twice."""
    part = int(words[0]) if words else part_of_this_commit()
    where = ["--splits", str(PARTS), "--group", str(part + 1), f"--durations-path={SECONDS}"]
    with tempfile.TemporaryDirectory(prefix="quartet-part-") as cache:
        print(f"slow tests: part {part} of 0 to {PARTS - 1}", flush=True)
        code = run(*where, f"--session-timeout={TIME}", "-m", CHOSEN, "-o", f"cache_dir={cache}")
        known = Path(cache) / "v" / "cache" / "lastfailed"
        failed = list(json.loads(known.read_text(encoding="utf-8"))) if known.exists() else []
    if code == pytest.ExitCode.TESTS_FAILED and not failed:
        print(f"slow tests: after {TIME // 60} minutes the rest of the part was left", flush=True)
        return 0
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return code
    return verdict(failed, [test for test in failed[:ACCIDENTS] if passes(test)])


def verdict(failed: list[str], passed: list[str]) -> int:
    """Name the tests that needed a second run; return 1 where one has not passed it, or was not given it."""
    for test in passed:
        print(f"slow tests: failed, then passed alone: {test}", flush=True)
    for test in (test for test in failed if test not in passed):
        print(f"slow tests: failed: {test}", flush=True)
    return int(len(passed) < len(failed))


def passes(test: str) -> bool:
    print(f"slow tests: once more, alone: {test}", flush=True)
    return run(test, "-m", "", "-p", "no:cacheprovider") == pytest.ExitCode.OK


def run(*words: str) -> int:
    """Run pytest in a process of its own, with this file as a plugin; return its exit code."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, "-m", "pytest", "-p", "slow_part", *words], cwd=ROOT, env=env).returncode


def part_of_this_commit() -> int:
    """Return the number of commits modulo PARTS; 0, and say so, where git's history is not here as a whole."""
    if not (count := commits()):
        print("slow tests: git's history is not here as a whole, so that commits cannot be counted", flush=True)
    return count % PARTS


def commits() -> int:
    """Return the number of commits; 0 where git or its history is not here."""
    whole, count = git("rev-parse", "--is-shallow-repository"), git("rev-list", "--count", "HEAD")
    return int(count) if whole == "false" and count.isdecimal() else 0


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """Leave out tests that take too long, before the rest is split, and limit the time of the others.

    A part begins elsewhere each time, so that where time is always up it is not always the same tests that wait.
    """
    seconds = json.loads(SECONDS.read_text(encoding="utf-8"))
    long = [item for item in items if seconds.get(item.nodeid, 0.0) > LONGEST or allowed(item) >= HOURS]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
    for item in items:
        item.add_marker(pytest.mark.timeout(3 * LONGEST), append=False)
    yield
    first = commits() // PARTS * STRIDE % max(1, len(items))
    items[:] = [*items[first:], *items[:first]]


def allowed(item: pytest.Item) -> float:
    """Return the seconds that the test's own mark allows it; 0 without one."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark and mark.args else 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
