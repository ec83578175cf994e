"""Tracking as the pipeline sees it: a driver that starts and finishes runs, a training process that logs metrics.

`NoTracking` is the one for machines without mlflow; `store.MLflow` the one that keeps everything.
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
class Known:
    """What a store holds of a run: its tags, and the last value of each metric."""

    tags: dict[str, str]
    metrics: dict[str, float]


class Metrics(ABC):
    """Where the training process logs its metrics; a context manager that closes at the end."""

    @abstractmethod
    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Take numbers named `split/name` at `step` samples seen; returns at once."""

    @abstractmethod
    def close(self) -> None:
        """Send what is left."""

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Tracker(ABC):
    """Tracking as the pipeline sees it. `uri` is absolute and may be handed to other processes; None: no tracking."""

    uri: str | None
    stores_model: bool  # whether `model` does anything, since exporting for it takes seconds

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
        """Create a run, or go on with the run `resume`, and return its id ("" without tracking).

        `params` is the resolved configuration, nested; `dataset` holds name, digest and path. `parent` is the id of
        the run that this one is shown under. Raises `QuartetError` where the store cannot be used.
        """

    @abstractmethod
    def attach(self, run: str, *, unsent: Path | None = None) -> Metrics:
        """The metrics of `run`, in the process that trains (rank 0). What cannot be sent ends in the csv `unsent`."""

    @abstractmethod
    def metrics(self, run: str, values: Mapping[str, float], *, step: int) -> None:
        """Log final numbers, such as the test's, at `step` samples seen."""

    @abstractmethod
    def tags(self, run: str, values: Mapping[str, str | None]) -> None:
        """Set tags, in place of earlier ones of the same name; None takes a tag away."""

    @abstractmethod
    def inputs(self, run: str, dataset: Mapping[str, Any], *, context: str) -> None:
        """Say that the run used `dataset` (name, digest, path, …) for `context`: training, evaluation."""

    @abstractmethod
    def artifact(self, run: str, path: Path, *, folder: str | None = None) -> None:
        """Store a file, or a folder with what is in it, below `folder`."""

    @abstractmethod
    def figure(self, run: str, name: str, figure: Figure) -> None:
        """Store a matplotlib figure as `name`, such as "confusion.png"."""

    @abstractmethod
    def text(self, run: str, name: str, text: str) -> None:
        """Store a text as the file `name`."""

    @abstractmethod
    def table(self, run: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store rows as the table `name`, such as "runs.json", in place of an earlier one."""

    @abstractmethod
    def is_there(self) -> bool:
        """Whether the store can be read as it is; asking makes none."""

    @abstractmethod
    def known(self, run: str) -> Known | None:
        """What the store holds of `run`; None where it holds no such run, or it was deleted."""

    @abstractmethod
    def find(self, tags: Mapping[str, str]) -> list[str]:
        """The runs of this experiment with these tags, the oldest first; a % in a value stands for any text."""

    @abstractmethod
    def registry(self) -> AbstractContextManager[Registry]:
        """The store's registered models, of a database file for this process alone. QuartetError where it refuses."""

    @abstractmethod
    def model(self, run: str, folder: Path, *, name: str = "model") -> str | None:
        """Store what `quartet.export.export` left in `folder`, to be loaded as `runs:/<run>/<name>`; return its uri."""

    @abstractmethod
    def finish(self, run: str, status: Status) -> None:
        """End the run as FINISHED, FAILED or KILLED."""


class NoTracking(Tracker):
    """Tracks nothing; needs no mlflow."""

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

    def is_there(self) -> bool:
        return False

    def known(self, run: str) -> Known | None:
        return None

    def find(self, tags: Mapping[str, str]) -> list[str]:
        return []

    def registry(self) -> AbstractContextManager[Registry]:
        raise QuartetError("tracking=none keeps no registered models")

    def model(self, run: str, folder: Path, *, name: str = "model") -> str | None:
        return None

    def finish(self, run: str, status: Status) -> None:
        pass


class NoMetrics(Metrics):
    """Forgets every number."""

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        pass

    def close(self) -> None:
        pass
