"""What holds for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracked import copy_tracked

AWAY = Path(tempfile.mkdtemp(prefix="quartet-tests-"))  # no folder above it has a conf/ of a person's own


# Programs that tests start and interrupt would inherit that a signal is ignored, as where a shell runs the tests aside.
for _sent, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_sent) is signal.SIG_IGN:
        signal.signal(_sent, _usual)

# Set before anything of ours is imported: options are listed while tests are collected.
os.environ["QUARTET_SHIPPED_CONF"] = str(copy_tracked(AWAY / "shipped", "conf") / "conf")


def pytest_unconfigure() -> None:
    shutil.rmtree(AWAY, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def away_from_the_checkout() -> Iterator[None]:
    """Work in an empty folder: a test that names no folder must not write beside the code."""
    before = Path.cwd()
    (AWAY / "work").mkdir()
    os.chdir(AWAY / "work")
    yield
    os.chdir(before)


@pytest.fixture(autouse=True)
def no_tracking_store_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither the user's store nor an earlier test's: MLflow's own `set_tracking_uri` sets the variable for good."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)
