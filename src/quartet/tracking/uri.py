"""Where the store is: its address, whether it answers, and who may create it."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quartet.types import QuartetError

REACH_SECONDS = 4.0


def absolute(uri: str) -> str:
    """`uri` with the path of an SQLite file made absolute, so that it means the same in every process."""
    path, question, options = uri.removeprefix("sqlite:///").partition("?")
    if not uri.startswith("sqlite:///") or not path:
        return uri
    return f"sqlite:///{Path(path).expanduser().absolute()}{question}{options}"


def chosen(uri: str | None) -> str:
    """The store at `uri`; None takes MLFLOW_TRACKING_URI, else `sqlite:///mlflow.db` in the working directory."""
    return absolute(uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db")


def made(uri: str) -> bool:
    """Whether there is anything to ask: an SQLite file may not have been made yet, and asking would make it."""
    file = database(uri)
    return file is None or file.exists()


def reach(uri: str) -> None:
    """Refuse a server that does not answer; any answer will do, since a proxy may guard this address."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError:
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if "CERTIFICATE" not in str(reason):  # MLflow has settings of its own for certificates
            raise QuartetError(
                f"tracking.uri: no MLflow server answers at {uri} ({reason}).\n"
                "Start it, give another tracking.uri (or MLFLOW_TRACKING_URI), or tracking=none."
            ) from error


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Hold a lock beside an SQLite file, also where this thread holds it already; a server looks after itself."""
    file = database(uri)
    if file is None:
        yield
        return
    from filelock import FileLock

    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock", timeout=120, is_singleton=True):
        yield


def database(uri: str) -> Path | None:
    """The SQLite file that `uri` names, if it names one."""
    path = uri.removeprefix("sqlite:///").partition("?")[0]
    return Path(path) if uri.startswith("sqlite:///") and path else None


def artifact_place(uri: str) -> str | None:
    """Artifacts lie beside an SQLite file, wherever the process was started; a server chooses their place."""
    file = database(uri)
    return None if file is None else (file.parent / "mlruns").as_uri()
