"""Scripts that MLflow stores beside a model ("models from code") and runs to predict from raw input.

Each is self-contained, since it is copied: it imports nothing of ours. `export` writes what they read; `use` takes the
description and the programs as they are, exported or not. Input that cannot be is an MlflowException of
INVALID_PARAMETER_VALUE, which a server answers with 400.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

CLASSES = {"classify": "Classifier", "language": "Writer", "translate": "Translator", "generate": "Generator"}


def script(role: str) -> ModuleType:
    """The script of a role; imported without the advice that MLflow gives on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"quartet.serving.{role}")


def predictor(described: Mapping[str, Any], programs: Mapping[str, Callable[..., Any]]) -> Any:
    """What predicts with the `programs` of a model that is `described`, as if MLflow had loaded them."""
    role = described["role"]
    made = getattr(script(role), CLASSES[role])()
    made.use(described, programs)
    return made
