"""What holds for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_tracking_store_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither the user's store nor an earlier test's: MLflow's own `set_tracking_uri` sets the variable for good."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)
