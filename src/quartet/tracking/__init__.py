"""What a run tells MLflow, or nobody. Importing this imports no mlflow: that waits for the first run."""

from quartet.tracking.mlflow_tracker import MLflow
from quartet.tracking.registry import Registry, Version
from quartet.tracking.tracker import Known, Metrics, NoTracking, Status, Tracker

__all__ = ["Known", "MLflow", "Metrics", "NoTracking", "Registry", "Status", "Tracker", "Version"]
