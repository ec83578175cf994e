"""Make MLflow's pages open with the runs of a training, and with columns that tell the runs apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from quartet.tracking.client import connect
from quartet.tracking.uri import resolve_uri, store_exists

# The tag of what an experiment is about, in MLflow's words; without it MLflow takes an experiment for one of agents.
KIND = {"mlflow.experimentKind": "custom_model_development"}
VIEW, NAME = "mlflow.sharedViewState.", "quartet"  # the tag that holds a view of an experiment's runs, by a name
TAGS = ("net", "data", "seed", "study")  # that tell one run from another
COSTS = ("parameters", "train_seconds")


def mark_kind(client: Any, experiment: Any) -> None:
    """Set the tag KIND of an experiment, as MLflow holds it, unless it has one."""
    for key, value in KIND.items():
        if key not in experiment.tags:
            client.set_experiment_tag(experiment.experiment_id, key, value)


def pages(uri: str | None, *, metrics: Sequence[str]) -> dict[str, str]:
    """Return the page of each experiment that holds runs of ours, by name: what follows the server's address.

    The page lists all runs, those of a comparison too, with `metrics` among its columns. {} where there is no store.
    """
    uri = resolve_uri(uri)
    if not store_exists(uri):
        return {}
    client = connect(uri)
    found = {}
    for experiment in client.search_experiments():
        if experiment.tags.items() >= KIND.items() or _has_our_runs(client, experiment):
            mark_kind(client, experiment)
            client.set_experiment_tag(experiment.experiment_id, VIEW + NAME, json.dumps(_view(metrics)))
            page = f"/#/experiments/{experiment.experiment_id}/runs"
            found[experiment.name] = f"{page}?workflowType=machine_learning&viewStateShareKey={NAME}"
    return found


def _has_our_runs(client: Any, experiment: Any) -> bool:
    """Return whether an experiment holds a run that we tracked, of a version that set no KIND."""
    return bool(client.search_runs([experiment.experiment_id], "tags.fingerprint != ''", max_results=1))


def _view(metrics: Sequence[str]) -> dict[str, Any]:
    """Return a view in MLflow's own form. Ordered by a tag, it shows the runs below a comparison without a click."""
    columns = [*(f"metrics.`{name}`" for name in (*metrics, *COSTS)), *(f"tags.`{name}`" for name in TAGS)]
    return {"selectedColumns": columns, "orderByKey": "tags.`experiment`", "orderByAsc": True}
