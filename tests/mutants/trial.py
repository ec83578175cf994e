"""Run tests on a copy of the repository in a fork of this process, which has imported what is slow to import."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest
from mutants.folders import LEFT, ROOT
from mutants.mutations import Mutant

PHASE = re.compile(r" \((setup|call|teardown)\)$")  # what pytest puts behind a test's name while it runs
WARM = ("torch", "pytorch_lightning", "scipy.stats", "hydra", "tokenizers", "PIL.Image", "numpy.testing")
PATIENCE, LEAST = 10, 30.0  # a test may take so many times as long as it did, and so many seconds at least
SETTINGS = """[run]
parallel = true
source = {root}/src
data_file = {data}/coverage
context = ${{PYTEST_CURRENT_TEST-}}
disable_warnings = no-data-collected,module-not-measured,module-not-imported,couldnt-parse,already-imported
"""


@dataclass
class Baseline:
    """What the tests did with the code as it is: their seconds, which failed, and which ran a line of a file."""

    seconds: dict[str, float]
    failed: list[str]
    reached: dict[str, dict[int, set[str]]] = field(default_factory=dict)  # tests by file and line

    def tests(self, mutant: Mutant, below: Sequence[str]) -> list[str]:
        """Return the tests in the files and folders `below` that can find the mutant, the quickest files first.

        They run its lines, or at least a line of its function. Where an import runs its lines (a constant, a default),
        it may be any of the tests.
        """
        reached = self.reached.get(mutant.file, {})
        known = {one for one in self.seconds if one.startswith(tuple(below))} - set(self.failed)
        if mutant.function is None or not any(line in mutant.function for line in mutant.lines):
            return sorted(known, key=self._order(known))
        for span in (mutant.lines, mutant.function):
            if found := known & set().union(*(reached.get(line, ()) for line in span)):
                return sorted(found, key=self._order(found))
        return []

    def _order(self, tests: set[str]) -> Callable[[str], tuple[float, str, float]]:
        by_file: dict[str, list[float]] = defaultdict(list)
        for test in tests:
            by_file[_file(test)].append(self.seconds[test])
        return lambda test: (min(by_file[_file(test)]), _file(test), self.seconds[test])


class Copy:
    """A copy of the repository, below `place`, that is a git repository itself. Nothing is written elsewhere."""

    def __init__(self, place: Path) -> None:
        self.place, self.root, self.scratch = place, place / "copy", place / "tmp"
        for name in _files():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, self.root / name, follow_symlinks=False)
        who = ("-c", "user.name=copy", "-c", "user.email=copy@example.org")
        for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "copy")):
            subprocess.run(["git", *words], cwd=self.root, check=True)
        for name in WARM:
            importlib.import_module(name)

    def baseline(self, paths: Sequence[str]) -> Baseline:
        """Run the quick tests at `paths` with the code as it is, and see which lines each of them runs."""
        measured = self.place / "measured"
        measured.mkdir(exist_ok=True)
        settings = measured / "settings"
        settings.write_text(SETTINGS.format(root=self.root, data=measured), encoding="utf-8")
        code, log = self._fork([*paths, "-k", LEFT], Recorder(settings, measured / "tests.json"), 7200, settings)
        if code not in (0, 1):
            raise SystemExit(f"mutants: the tests do not run: pytest ended with {code}\n{log[-3000:]}")
        found = json.loads((measured / "tests.json").read_text(encoding="utf-8"))
        result = Baseline(found["seconds"], found["failed"], self._reached(measured, settings))
        shutil.rmtree(measured)
        return result

    def _reached(self, measured: Path, settings: Path) -> dict[str, dict[int, set[str]]]:
        both = coverage.Coverage(config_file=str(settings))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a process that a test kills leaves half a file
            both.combine([str(measured)])
        data = both.get_data()
        found: dict[str, dict[int, set[str]]] = {}
        for name in data.measured_files():
            lines = data.contexts_by_lineno(name).items()
            tests = {line: {PHASE.sub("", one) for one in contexts} for line, contexts in lines}
            found[str(Path(name).relative_to(self.root))] = tests
        return found

    def run(self, mutant: Mutant, tests: list[str], seconds: dict[str, float]) -> tuple[int | None, str]:
        """Run the tests on the mutant until one fails: pytest's exit code, None where time was up, and its output."""
        path = self.root / mutant.file
        files = list(dict.fromkeys(map(_file, tests)))
        try:
            path.write_text(mutant.after, encoding="utf-8")
            limits = {test: max(LEAST, PATIENCE * seconds[test]) for test in tests}
            return self._fork([*files, "-x"], Chosen(limits), 2 * LEAST + PATIENCE * sum(seconds[t] for t in tests))
        finally:
            path.write_text(mutant.before, encoding="utf-8")

    def _fork(
        self, words: list[str], plugin: object, limit: float, settings: Path | None = None
    ) -> tuple[int | None, str]:
        log = self.place / "log"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        if (child := os.fork()) == 0:
            self._become_pytest(words, plugin, log, settings)
        code = _wait(child, limit)
        return code, log.read_text(encoding="utf-8", errors="replace")

    def _become_pytest(self, words: list[str], plugin: object, log: Path, settings: Path | None) -> None:
        """Turn this process, a fork, into a run of pytest in the copy; never return."""
        code: int = 3
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            with open(log, "wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.chdir(self.root)
            sys.path[:] = [
                f"{self.root}/src",
                f"{self.root}/tests",
                *(p for p in sys.path if not p.startswith(f"{ROOT}/src")),
            ]
            os.environ.update(PYTHONPATH=f"{self.root}/src", PYTHONDONTWRITEBYTECODE="1", TMPDIR=str(self.scratch))
            os.environ.pop("PYTEST_CURRENT_TEST", None)  # of the test that runs this
            if settings:
                os.environ["COVERAGE_PROCESS_START"] = str(settings)
            sys.dont_write_bytecode = True
            quiet = (
                "-q",
                "-p",
                "no:cacheprovider",
                "-W",
                "ignore::pytest.PytestAssertRewriteWarning",
                f"--rootdir={self.root}",
                "--tb=line",
            )
            code = int(pytest.main([*words, *quiet, f"--basetemp={self.scratch}/base"], plugins=[plugin]))
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


class Recorder:
    """Note each test's seconds and failures, and tell coverage which test is running."""

    def __init__(self, settings: Path, report: Path) -> None:
        self.settings, self.report = settings, report
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: list[str] = []

    def pytest_configure(self) -> None:
        self.coverage = coverage.Coverage(config_file=str(self.settings))
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self.coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_unconfigure(self) -> None:
        self.coverage.stop()
        self.coverage.save()
        self.report.write_text(json.dumps({"seconds": self.seconds, "failed": self.failed}), encoding="utf-8")


class Chosen:
    """Run these tests alone, in their order, each for so many seconds at most."""

    def __init__(self, limits: dict[str, float]) -> None:
        self.limits = limits

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        order = {test: place for place, test in enumerate(self.limits)}
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])
        for item in items:
            item.add_marker(pytest.mark.timeout(self.limits[item.nodeid]), append=False)


def _file(test: str) -> str:
    return test.split("::")[0]


def _files() -> list[str]:
    """Return what git knows or would take up: new files too, but nothing that is ignored."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def _wait(child: int, limit: float) -> int | None:
    """Return the exit code of the process, None if it took more than `limit` seconds; then end all that it started."""
    end = time.monotonic() + limit
    done = 0
    try:
        while not done and time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.02)
        return os.waitstatus_to_exitcode(status) if done else None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if not done:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)  # it may not have a group of its own yet
            os.waitpid(child, 0)
