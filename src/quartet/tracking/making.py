"""Make an SQLite store whole or not at all, and repair one that was left half made.

MLflow makes its tables in place, in dozens of steps that take seconds. A kill meanwhile leaves a file that it can
neither use nor finish.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from quartet.sqlite import file_of, uri_of
from quartet.tracking.uri import artifact_location, lock_store
from quartet.types import QuartetError

LOG = logging.getLogger(__name__)
STILL_SECONDS = 10.0  # a half-made file that has not changed for so long is made by nobody any more
VERSION = "alembic_version"  # the table that says which of MLflow's migrations have been applied
KEPT = {"runs": 1, "experiments": 2, "registered_models": 1}  # tables with so many rows hold somebody's work
SIDE_FILES = ("-journal", "-wal", "-shm")  # SQLite would apply those of an old file to a new one of the same name


def make_store(uri: str) -> None:
    """Make the store at `uri` if it is an SQLite file and missing, empty, or half made without a run in it.

    The new file is made aside and moved into place. A half-made one is kept as `<name>.half-made`. Raises QuartetError
    where the folder or the disk refuses.
    """
    file = file_of(uri)
    if file is None or is_whole(file):
        return
    with lock_store(uri):
        while not is_whole(file):
            if _present(file):
                age = time.time() - file.stat().st_mtime
                if 0 <= age < STILL_SECONDS:  # another program may be making it
                    time.sleep(0.5)
                    continue
                _set_aside(file)
            try:
                _make(file, artifact_location(uri) or "mlruns")
            except Exception as error:  # of the file system or SQLAlchemy
                reason = str(error).strip().partition("\n")[0]
                raise QuartetError(
                    f"tracking.uri: {file} cannot be made ({reason})\n"
                    "free some space there, give another tracking.uri (or MLFLOW_TRACKING_URI), or tracking=none"
                ) from error


def is_whole(file: Path) -> bool:
    """Return whether `file` is a store that MLflow can use, or something else that is not ours to replace."""
    if not _present(file):
        return False
    try:
        with closing(sqlite3.connect(file)) as base:  # not read-only: SQLite first undoes a transaction that broke off
            tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if any(_holds_rows(base, tables, name, at_least) for name, at_least in KEPT.items()):
                return True
            versions = set(base.execute(f"SELECT * FROM {VERSION}")) if VERSION in tables else set()
    except sqlite3.Error:  # locked, or no database: MLflow says so
        return True
    return _has_all(tables, {version for (version,) in versions})


def _present(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _holds_rows(base: sqlite3.Connection, tables: set[str], name: str, at_least: int) -> bool:
    if name not in tables:
        return False
    return bool(base.execute(f"SELECT count(*) FROM {name}").fetchone()[0] >= at_least)


def _has_all(tables: set[str], versions: set[str]) -> bool:
    """Return whether the tables are all of MLflow's at its present version, or are not MLflow's."""
    from mlflow.store.db import utils

    first = set(utils.InitialBase.metadata.tables)
    if VERSION not in tables and not tables <= first:
        return True  # another program's file
    expected = set(utils.Base.metadata.tables)
    return expected <= tables and versions == {utils._get_latest_schema_revision()}


def _set_aside(file: Path) -> None:
    """Rename a half-made file and delete what SQLite left beside it."""
    aside = file.with_name(f"{file.name}.half-made")
    file.replace(aside)
    for ending in SIDE_FILES:
        file.with_name(file.name + ending).unlink(missing_ok=True)
    LOG.warning("tracking: %s was left half made and held no run: it is made anew, the old one is %s", file, aside)


def _make(file: Path, artifacts: str) -> None:
    """Make a new store in a file beside `file`, flush it to the disk, and move it into place."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    part = file.with_name(f".{file.name}.part")
    for ending in ("", *SIDE_FILES):  # of a process that was killed here: the caller holds the lock
        part.with_name(part.name + ending).unlink(missing_ok=True)
    try:
        SqlAlchemyStore(uri_of(part), artifacts).engine.dispose()
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(file)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
