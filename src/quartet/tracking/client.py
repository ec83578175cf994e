"""Connect to an MLflow store: one client for each store and process, with quiet defaults."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from functools import cache
from typing import Any

from quartet.tracking.making import make_store
from quartet.types import QuartetError

# By default MLflow waits 15 minutes for a lost server, draws progress bars and reports usage. A variable that is set
# already wins.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


@cache
def connect(uri: str) -> Any:
    """Return the client of the store at `uri`, which is made first where it is a file that does not exist.

    Raise `QuartetError` where mlflow cannot be imported.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between MLflow's own dependencies
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise QuartetError(
                f"tracking: mlflow cannot be imported ({error}). Install mlflow, or tracking=none."
            ) from error
        for name in ("mlflow", "alembic"):  # their INFO level prints a page for every new store
            logging.getLogger(name).setLevel(logging.WARNING)
        make_store(uri)
        client = MlflowClient(tracking_uri=uri)
        if "sqlalchemy.orm" in sys.modules:
            sys.modules["sqlalchemy.orm"].configure_mappers()  # here, not in a thread at its first query
    return client


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
