"""Track runs in MLflow, or nowhere. The import of this package loads no mlflow; the first tracked run does.

`tracker` is the interface that training sees, `mlflow_tracker` fulfils it with MLflow, `buffer` and `labels` help it.
`model_store` stores models and fetches them, `registry` keeps their versions. `reader` and `queries` read runs, `uri`
finds the store, `making` makes it whole, `client` connects to it, `patience` limits the time that a silent one costs.
`pages` chooses what MLflow's pages show of the runs.
"""

from quartet.tracking.mlflow_tracker import MLflow
from quartet.tracking.registry import Registry, Version
from quartet.tracking.tracker import Metrics, NoTracking, RunData, Status, Tracker

__all__ = ["MLflow", "Metrics", "NoTracking", "Registry", "RunData", "Status", "Tracker", "Version"]
