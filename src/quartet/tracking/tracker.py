"""Define the trackers' interface: a driver starts and finishes runs, a training process logs metrics.

`NoTracking` is for machines without mlflow; `mlflow_tracker.MLflow` stores everything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quartet.types import QuartetError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from quartet.tracking.registry import Registry

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class RunData:
    """A run's tags and the last value of each metric, as the store has them."""

    tags: dict[str, str]
    metrics: dict[str, float]


class Metrics(ABC):
    """Receiver of a training's metrics; a context manager that closes at the end."""

    @abstractmethod
    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Take numbers named `split/name` at `step` samples seen; return at once."""

    @abstractmethod
    def close(self) -> None:
        """Send the remaining numbers."""

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Tracker(ABC):
    """Interface of a tracker. `uri` is absolute and valid in other processes; None means no tracking."""

    uri: str | None
    stores_model: bool  # whether `model` stores anything: an export for nothing would take seconds

    @abstractmethod
    def start(
        self,
        *,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        dataset: Mapping[str, Any] | None = None,
        resume: str | None = None,
        parent: str | None = None,
    ) -> str:
        """Create a run, or resume the run `resume`; return its id ("" without tracking).

        Args:
            params: the resolved configuration, nested.
            dataset: name, digest and path.
            parent: the id of the run under which MLflow shows this one.

        Raises `QuartetError` where the store cannot be used.
        """

    @abstractmethod
    def attach(self, run: str, *, unsent: Path | None = None) -> Metrics:
        """Return the metrics of `run`, for the training process (rank 0). The csv `unsent` gets metrics that were not
        sent."""

    @abstractmethod
    def metrics(self, run: str, values: Mapping[str, float], *, step: int) -> None:
        """Log final numbers, such as the test's, at `step` samples seen."""

    @abstractmethod
    def tags(self, run: str, values: Mapping[str, str | None]) -> None:
        """Set tags, replacing earlier ones of the same name; None deletes a tag."""

    @abstractmethod
    def inputs(self, run: str, dataset: Mapping[str, Any], *, context: str) -> None:
        """Record that the run used `dataset` (name, digest, path, …) for `context`: training, evaluation."""

    @abstractmethod
    def artifact(self, run: str, path: Path, *, folder: str | None = None) -> None:
        """Store a file, or a folder with its content, below `folder`."""

    @abstractmethod
    def figure(self, run: str, name: str, figure: Figure) -> None:
        """Store a matplotlib figure as `name`, such as "confusion.png"."""

    @abstractmethod
    def text(self, run: str, name: str, text: str) -> None:
        """Store a text as the file `name`."""

    @abstractmethod
    def table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store rows as the table `name`, such as "runs.json", replacing an earlier one."""

    @abstractmethod
    def store_readable(self) -> bool:
        """Return whether the store exists and answers. The query creates none."""

    @abstractmethod
    def run_data(self, run: str) -> RunData | None:
        """Return tags and metrics of `run`; None for an unknown or deleted run."""

    @abstractmethod
    def find(self, tags: Mapping[str, str]) -> list[str]:
        """Return the ids of this experiment's runs with these tags, the oldest first; % in a value stands for any
        text."""

    @abstractmethod
    def registry(self) -> AbstractContextManager[Registry]:
        """Open the store's model registry, locked where the store is a file. Raise `QuartetError` for errors of the
        store."""

    @abstractmethod
    def model(self, run: str, folder: Path, *, name: str = "model") -> str | None:
        """Store the result of `quartet.export.export` in `folder` as `runs:/<run>/<name>`; return its uri."""

    @abstractmethod
    def has_model(self, run: str) -> bool:
        """Return whether the store has a model of `run`."""

    @property
    @abstractmethod
    def lost(self) -> Sequence[str]:
        """Return what did not reach the store, named for a person."""

    @abstractmethod
    def finish(self, run: str, status: Status) -> None:
        """End the run as FINISHED, FAILED or KILLED."""


class NoTracking(Tracker):
    """Tracker that stores nothing and needs no mlflow."""

    uri = None
    stores_model = False

    def start(self, **_: Any) -> str:
        return ""

    def attach(self, run: str, *, unsent: Path | None = None) -> Metrics:
        return NoMetrics()

    def metrics(self, run: str, values: Mapping[str, float], *, step: int) -> None:
        pass

    def tags(self, run: str, values: Mapping[str, str | None]) -> None:
        pass

    def inputs(self, run: str, dataset: Mapping[str, Any], *, context: str) -> None:
        pass

    def artifact(self, run: str, path: Path, *, folder: str | None = None) -> None:
        pass

    def figure(self, run: str, name: str, figure: Figure) -> None:
        pass

    def text(self, run: str, name: str, text: str) -> None:
        pass

    def table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        pass

    def store_readable(self) -> bool:
        return False

    def run_data(self, run: str) -> RunData | None:
        return None

    def find(self, tags: Mapping[str, str]) -> list[str]:
        return []

    def registry(self) -> AbstractContextManager[Registry]:
        raise QuartetError("tracking=none keeps no registered models")

    def model(self, run: str, folder: Path, *, name: str = "model") -> str | None:
        return None

    def has_model(self, run: str) -> bool:
        return False

    @property
    def lost(self) -> Sequence[str]:
        return ()

    def finish(self, run: str, status: Status) -> None:
        pass


class NoMetrics(Metrics):
    """Metrics that discard every number."""

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        pass

    def close(self) -> None:
        pass
