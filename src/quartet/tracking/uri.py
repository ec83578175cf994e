"""Resolve the store's uri, check that it answers, and lock it."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from quartet.sqlite import absolute, file_of
from quartet.types import QuartetError

REACH_SECONDS = 4.0


def resolve_uri(uri: str | None) -> str:
    """Return the store's uri; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` in the working directory."""
    return absolute(uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")


def store_exists(uri: str) -> bool:
    """Return whether there is a store to query. A query would create a missing SQLite file."""
    file = file_of(uri)
    return file is None or file.exists()


def check_reachable(uri: str) -> None:
    """Raise `QuartetError` for a server that does not answer. Any answer is enough, since a proxy may guard this
    address."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError:
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if "CERTIFICATE" not in str(reason):  # MLflow has its own settings for certificates
            raise QuartetError(
                f"tracking.uri: no MLflow server answers at {uri} ({reason}).\n"
                "Start it, give another tracking.uri (or MLFLOW_TRACKING_URI), or tracking=none."
            ) from error


@contextmanager
def lock_store(uri: str) -> Iterator[None]:
    """Hold a lock for an SQLite file, also where this thread holds it already; a server needs none."""
    file = file_of(uri)
    if file is None:
        yield
        return
    from filelock import FileLock

    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock", timeout=120, is_singleton=True):
        yield


def artifact_location(uri: str) -> str | None:
    """Return the artifacts' folder next to an SQLite file, absolute; None for a server, which chooses it."""
    file = file_of(uri)
    return None if file is None else (file.parent / "mlruns").as_uri()
