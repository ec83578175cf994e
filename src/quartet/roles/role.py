"""The abstract role: everything that prediction, export and serving need from it."""

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
Load = Callable[[], tuple[Any, dict[str, Any]]]  # the predictor, and facts of its model: model, described, …


class Role(ABC):
    """How a trained model predicts: a role describes, rebuilds, exports and serves it, and answers on the command line.

    Args:
        name: its name, or the dotted path of its class.
    """

    HELP: ClassVar[str]  # the answer of `quartet predict ROLE`, in a few words
    # The module that MLflow stores with a model and runs to predict. It is copied alone, so that it imports nothing of
    # Quartet. It holds PACKAGES, `signature(described)`, `example(described)`, and the class PREDICTOR.
    SCRIPT: ClassVar[str]
    PREDICTOR: ClassVar[str]
    # For a run with several nets: the name of the net that predicts, and the prefix of the other nets' weights.
    PART: ClassVar[str | None] = None
    BESIDE: ClassVar[str | None] = None

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def describe(self, **facts: Any) -> dict[str, Any]:
        """Return the role's part of model.json, in plain JSON, from the `facts` that a task gives."""

    @abstractmethod
    def rebuild(self, net: Any, described: Described) -> nn.Module:
        """Return the described model of the recipe `net`, before its weights are loaded."""

    @abstractmethod
    def programs(self, model: nn.Module) -> dict[str, nn.Module]:
        """Return the modules that prediction calls, by the script's names. Each is exported to a file of its name."""

    @abstractmethod
    def examples(
        self, programs: Mapping[str, nn.Module], described: Described, *, batch: int, length: int
    ) -> dict[str, tuple[Any, ...]]:
        """Return arguments for each program: `batch` examples, of `length` tokens if they have a length."""

    @abstractmethod
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of `quartet predict` for this role."""

    @abstractmethod
    def answer(self, chosen: argparse.Namespace, load: Load) -> None:
        """Print the answers to the arguments `chosen` on the command line, as JSON if `chosen.json`."""

    def script_name(self, described: Described) -> str:
        """Return the module of the script of a described model: SCRIPT, unless a role has several."""
        return self.SCRIPT

    def script(self, described: Described) -> ModuleType:
        """Return the imported script of a described model, without MLflow's warnings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(self.script_name(described))

    def predictor(self, described: Described, programs: Mapping[str, Callable[..., Any]]) -> Any:
        """Return a predictor with the `programs` of a described model, as if MLflow had loaded it."""
        made = getattr(self.script(described), self.PREDICTOR)()
        made.use(described, programs)
        return made
