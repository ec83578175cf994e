"""What a run tells MLflow, or nobody. Importing this imports no mlflow: that waits for the first run."""

from quartet.tracking.catalogue import Lookup, RegisteredVersion, TrackedRun
from quartet.tracking.registry import Registry, Version
from quartet.tracking.store import MLflow
from quartet.tracking.tracker import Known, Metrics, NoTracking, Status, Tracker

__all__ = [
    "Known",
    "Lookup",
    "MLflow",
    "Metrics",
    "NoTracking",
    "RegisteredVersion",
    "Registry",
    "Status",
    "TrackedRun",
    "Tracker",
    "Version",
]
