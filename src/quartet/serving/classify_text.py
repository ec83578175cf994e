"""Classify texts. MLflow stores this file with the exported program.

Shapes: N texts, B batch, L length, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel
from mlflow.types.schema import AnyType, ColSpec, Schema
from tokenizers import Tokenizer

PACKAGES = ("torch", "numpy", "pandas", "tokenizers")
BATCH = 64
PAD = 0


class Classifier(PythonModel):
    """Map texts to label and confidence. Of a text longer than the longest of training, only its beginning is read."""

    def load_context(self, context: Any) -> None:
        """Load the description and the program from MLflow's artifacts."""
        folder = Path(context.artifacts["model"])
        described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.use(described, {"classify": torch.export.load(folder / "classify.pt2").module()})

    def use(self, described: Mapping[str, Any], programs: Mapping[str, Callable[..., Any]]) -> None:
        """Set the description and the program."""
        self.context, self.classes = described["inputs"]["context"], described["classes"]
        self.tokenizer = Tokenizer.from_str(json.dumps(described["tokenizer"]))
        self.net = programs["classify"]

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a table with the label and the confidence of each text."""
        confidence, index = torch.from_numpy(self.probabilities(model_input)).max(-1)
        labels = [self.classes[i] for i in index.tolist()]
        return pd.DataFrame({"label": labels, "confidence": confidence.numpy()})

    @torch.inference_mode()
    def probabilities(self, texts: Any) -> np.ndarray:
        """Return p_NK of the classes."""
        rows = [self._ids(text) for text in texts_of(texts)]
        parts = [self.net(padded(rows[i : i + BATCH])).softmax(-1) for i in range(0, len(rows), BATCH)]
        return torch.cat(parts).numpy()

    def _ids(self, text: str) -> list[int]:
        """Return the ids of a text, as training read it: without blanks at its ends, and cut to the longest."""
        if not text.strip():
            raise MlflowException.invalid_parameter_value(f"{text!r} given; a text with a word or more would do")
        return self.tokenizer.encode(text.strip()).ids[: self.context]


def padded(rows: list[list[int]]) -> torch.Tensor:
    """Return ids_BL of several texts, padded at their ends."""
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def texts_of(given: Any) -> list[str]:
    """Return the texts of a table's column, of a list, or a single one."""
    values = [given] if isinstance(given, str) else pd.DataFrame(given).to_numpy().ravel().tolist()
    if not values or not all(isinstance(value, str) for value in values):
        raise MlflowException.invalid_parameter_value(f"{values[:4]} given; texts, one or more, would do")
    for value in values:
        if any("\ud800" <= character <= "\udfff" for character in value):  # JSON can hold these, but no text does
            raise MlflowException.invalid_parameter_value(f"{value[:40]!a} given, half of a character in it")
    return values


def signature(described: Mapping[str, Any]) -> ModelSignature:
    """Return MLflow's signature. A text has any type in it, as MLflow would turn null into "None"."""
    return ModelSignature(
        Schema([ColSpec(AnyType())]), Schema([ColSpec("string", "label"), ColSpec("float", "confidence")])
    )


def example(described: Mapping[str, Any]) -> list[str]:
    """Return an input example: the description's texts."""
    return described["example"]


set_model(Classifier())
