"""What a run tells MLflow, or nobody. Importing this imports no mlflow: that waits for the first run.

`tracker` is tracking as training sees it, `mlflow_tracker` that of MLflow, with its `buffer` and `labels`. `registry`
keeps registered models, `model_fetch` brings them here. `reader` and `queries` look things up, `uri` finds the store.
"""

from quartet.tracking.mlflow_tracker import MLflow
from quartet.tracking.registry import Registry, Version
from quartet.tracking.tracker import Known, Metrics, NoTracking, Status, Tracker

__all__ = ["Known", "MLflow", "Metrics", "NoTracking", "Registry", "Status", "Tracker", "Version"]
