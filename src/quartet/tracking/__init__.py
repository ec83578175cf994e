"""What a run tells MLflow, or nobody. Importing this imports no mlflow: that waits for the first run."""

from quartet.tracking.lookup import Lookup, RegisteredVersion, TrackedRun
from quartet.tracking.store import MLflow
from quartet.tracking.tracker import Metrics, NoTracking, Status, Tracker

__all__ = ["Lookup", "MLflow", "Metrics", "NoTracking", "RegisteredVersion", "Status", "TrackedRun", "Tracker"]
