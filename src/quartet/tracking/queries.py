"""Query a store for runs by id and by tag, and write tables, which MLflow itself could only extend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quartet.tracking.uri import check_reachable, store_exists
from quartet.types import QuartetError

RUNS_PER_CALL = 1000
TABLES = "mlflow.loggedArtifacts"  # the tag in which MLflow's pages look for tables


def store_readable(uri: str) -> bool:
    """Return whether a store exists and answers at `uri`. The query creates none."""
    try:
        check_reachable(uri)
    except QuartetError:
        return False
    return find_spec("mlflow") is not None and store_exists(uri)


def active_run(client: Any, run: str) -> Any | None:
    """Return the run as MLflow holds it; None for a deleted run or a deleted store."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run)
    except MlflowException:
        return None
    return found if found.info.lifecycle_stage == "active" else None


def runs_with_tags(client: Any, experiment: str, tags: Mapping[str, str]) -> list[str]:
    """Return the ids of the experiment's active runs with these tags, the oldest first; % stands for any text."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    wanted = " and ".join(_condition(key, value) for key, value in tags.items())
    ids: list[str] = []
    page = None
    while True:
        runs = client.search_runs(
            [found.experiment_id], wanted, max_results=RUNS_PER_CALL, order_by=["start_time ASC"], page_token=page
        )
        ids += [run.info.run_id for run in runs]
        page = runs.token
        if not page:
            return ids


def _condition(key: str, value: str) -> str:
    """Return the filter clause of one tag."""
    quote = '"' if "'" in value else "'"
    return f"tags.`{key}` {'LIKE' if '%' in value else '='} {quote}{value}{quote}"


def write_table(client: Any, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table in the form of MLflow's `log_table`, replacing an earlier one of this name instead of extending
    it."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = {"columns": columns, "data": [[row.get(column) for column in columns] for row in rows]}
    client.log_text(run, json.dumps(table, ensure_ascii=False), name)
    tables = json.loads(client.get_run(run).data.tags.get(TABLES, "[]"))
    this = {"path": Path(name).as_posix(), "type": "table"}
    if this not in tables:
        client.set_tag(run, TABLES, json.dumps([*tables, this]))
