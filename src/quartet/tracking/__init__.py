"""What a run tells MLflow, or nobody. Importing this imports no mlflow: that waits for the first run."""

from quartet.tracking.store import MLflow
from quartet.tracking.tracker import Metrics, NoTracking, Status, Tracker

__all__ = ["MLflow", "Metrics", "NoTracking", "Status", "Tracker"]
