"""Track runs in MLflow, or nowhere. The import of this package loads no mlflow; the first tracked run does."""

from quartet.tracking.mlflow_tracker import MLflow
from quartet.tracking.registry import Registry, Version
from quartet.tracking.tracker import Metrics, NoTracking, RunData, Status, Tracker

__all__ = ["MLflow", "Metrics", "NoTracking", "Registry", "RunData", "Status", "Tracker", "Version"]
