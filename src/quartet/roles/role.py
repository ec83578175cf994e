"""The abstract role: all that predicting, exporting and serving ask of it."""

from __future__ import annotations

import importlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import argparse
    from types import ModuleType

    from torch import nn

Described = Mapping[str, Any]
Load = Callable[[], tuple[Any, dict[str, Any]]]  # the predictor, and what is known of its model: model, described, …


class Role(ABC):
    """What a trained model does. It is described, rebuilt, exported and served by this, and asked on the command line.

    Args:
        name: the name, or the dotted path, by which it is found.
    """

    HELP: ClassVar[str]  # what `quartet predict ROLE` answers, in a few words
    # The module that MLflow keeps beside a model and runs to predict. It is copied alone, so that it imports nothing of
    # ours. It holds PACKAGES, `signature(described)`, `example(described)`, and the class PREDICTOR.
    SCRIPT: ClassVar[str]
    PREDICTOR: ClassVar[str]
    # Where a run's weights are those of several nets: the one that predicts, and how the names of the others begin.
    PART: ClassVar[str | None] = None
    BESIDE: ClassVar[str | None] = None

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def describe(self, **facts: Any) -> dict[str, Any]:
        """The role's part of model.json, in plain JSON, from the `facts` that a task gives."""

    @abstractmethod
    def rebuild(self, net: Any, described: Described) -> nn.Module:
        """The model that is described, of the recipe `net`, with weights still to be loaded."""

    @abstractmethod
    def programs(self, model: nn.Module) -> dict[str, nn.Module]:
        """What predicting calls, by the names that the script knows. Each is exported to a file of its name."""

    @abstractmethod
    def examples(
        self, programs: Mapping[str, nn.Module], described: Described, *, batch: int, length: int
    ) -> dict[str, tuple[Any, ...]]:
        """The arguments of each program, with so many examples; of so many tokens where these have a length."""

    @abstractmethod
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what `quartet predict` takes for this role."""

    @abstractmethod
    def answer(self, chosen: argparse.Namespace, load: Load) -> None:
        """Print the answers to what was `chosen` on the command line, as JSON where `chosen.json`."""

    def script(self) -> ModuleType:
        """The script, imported without the advice that MLflow gives on the way."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(self.SCRIPT)

    def predictor(self, described: Described, programs: Mapping[str, Callable[..., Any]]) -> Any:
        """What predicts with the `programs` of a model that is `described`, as if MLflow had loaded them."""
        made = getattr(self.script(), self.PREDICTOR)()
        made.use(described, programs)
        return made
