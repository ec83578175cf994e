"""What a store already holds: runs by id and by tag, and tables, which MLflow would only lengthen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quartet.tracking.uri import made, reach
from quartet.types import QuartetError

RUNS_PER_CALL = 1000
TABLES = "mlflow.loggedArtifacts"  # the tag by which MLflow's pages know tables


def is_there(uri: str) -> bool:
    """Whether a store can be read at `uri` as it is: looking must not make an empty one."""
    try:
        reach(uri)
    except QuartetError:
        return False
    return find_spec("mlflow") is not None and made(uri)


def living(client: Any, run: str) -> Any | None:
    """The run as MLflow holds it; None if it has been deleted since, or its whole store."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run)
    except MlflowException:
        return None
    return found if found.info.lifecycle_stage == "active" else None


def tagged(client: Any, experiment: str, tags: Mapping[str, str]) -> list[str]:
    """The ids of the experiment's living runs with these tags (% for any text), the oldest first."""
    where = client.get_experiment_by_name(experiment)
    if where is None:
        return []
    wanted = " and ".join(_condition(key, value) for key, value in tags.items())
    ids: list[str] = []
    page = None
    while True:
        runs = client.search_runs(
            [where.experiment_id], wanted, max_results=RUNS_PER_CALL, order_by=["start_time ASC"], page_token=page
        )
        ids += [run.info.run_id for run in runs]
        page = runs.token
        if not page:
            return ids


def _condition(key: str, value: str) -> str:
    quote = '"' if "'" in value else "'"
    return f"tags.`{key}` {'LIKE' if '%' in value else '='} {quote}{value}{quote}"


def write_table(client: Any, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """As MLflow's `log_table` writes it, but in place of an earlier table of this name, not below its rows."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = {"columns": columns, "data": [[row.get(column) for column in columns] for row in rows]}
    client.log_text(run, json.dumps(table, ensure_ascii=False), name)
    known = json.loads(client.get_run(run).data.tags.get(TABLES, "[]"))
    this = {"path": Path(name).as_posix(), "type": "table"}
    if this not in known:
        client.set_tag(run, TABLES, json.dumps([*known, this]))
