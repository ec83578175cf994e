"""Test that an SQLite store is made whole or not at all, and that a half-made one is repaired."""

from __future__ import annotations

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from quartet.tracking import MLflow
from quartet.tracking.making import STILL_SECONDS, is_whole
from quartet.types import QuartetError

START = """
import sys
from quartet.tracking import MLflow
tracker = MLflow(uri=sys.argv[1], experiment="quartet", system_metrics=False, model=False)
print(tracker.start(name="a", params={}, tags={}))
"""
IN_PLACE = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1])"


def tracker(file: Path) -> MLflow:
    return MLflow(uri=f"sqlite:///{file}", experiment="quartet", system_metrics=False, model=False)


def kill_while_making(code: str, file: Path, *, made_at: Path, tables: int, by: signal.Signals) -> None:
    """Start a store with `code` in another process, and end it once the file `made_at` has so many tables."""
    process = subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{file}"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while count(made_at) < tables and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(by)
    process.wait()


def count(file: Path) -> int:
    if not file.exists():
        return -1
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0.0)) as base:
            return int(base.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0])
    except sqlite3.Error:  # it is written just now
        return -1


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, int(os.environ.get("QUARTET_KILLS", "9"))])
def test_a_kill_while_the_store_is_made_leaves_none(kills: int, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    draw = random.Random(seed)
    file, part = tmp_path / "mlflow.db", tmp_path / ".mlflow.db.part"
    for _ in range(kills):
        by = draw.choice((signal.SIGKILL, signal.SIGINT))
        kill_while_making(START, file, made_at=part, tables=draw.randrange(40), by=by)
        if file.exists():  # it was quicker
            assert is_whole(file)
            file.unlink()
    assert tracker(file).start(name="a", params={}, tags={})
    assert not part.exists()


def test_a_store_that_was_left_half_made_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "mlflow.db"
    kill_while_making(IN_PLACE, file, made_at=file, tables=20, by=signal.SIGKILL)
    assert count(file) > 0
    assert not is_whole(file)
    old = time.time() - STILL_SECONDS
    os.utime(file, (old, old))
    with caplog.at_level(logging.WARNING):
        run = tracker(file).start(name="a", params={}, tags={})
    assert f"{file} was left half made and held no run" in caplog.text
    assert (tmp_path / "mlflow.db.half-made").exists()
    known = tracker(file).run_data(run)
    assert known is not None


def test_a_new_store_without_a_run_is_whole(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", IN_PLACE, f"sqlite:///{tmp_path}/mlflow.db"], check=True, capture_output=True)
    assert is_whole(tmp_path / "mlflow.db")


def test_an_empty_file_is_no_store_yet(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    assert tracker(tmp_path / "mlflow.db").start(name="a", params={}, tags={})


def test_a_store_of_another_version_that_holds_a_run_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    subprocess.run([sys.executable, "-c", START, f"sqlite:///{file}"], check=True, capture_output=True)
    with closing(sqlite3.connect(file)) as base:
        base.execute("UPDATE alembic_version SET version_num = '0a8213491aaa'")
        base.commit()
    content = file.read_bytes()
    with pytest.raises(QuartetError, match="mlflow db upgrade"):
        tracker(file).start(name="a", params={}, tags={})
    assert file.read_bytes() == content


def test_a_folder_that_takes_no_store_is_refused_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / ".mlflow.db.part").mkdir()  # in the way, as a read-only folder is for anybody but root
    with pytest.raises(QuartetError, match=r"mlflow\.db cannot be made .*\n.*tracking=none"):
        tracker(tmp_path / "mlflow.db").start(name="a", params={}, tags={})
