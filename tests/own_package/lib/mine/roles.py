"""What a trained model of the task does: numbers in a file to a number."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from quartet.roles import Role
from quartet.types import Series


class Score(Role):
    HELP = "how much a series comes to"
    SCRIPT = "mine.serving"
    PREDICTOR = "Scorer"

    def describe(self, *, inputs: Series) -> dict[str, Any]:  # type: ignore[override]
        return {"inputs": asdict(inputs)}

    def rebuild(self, net: Any, described: Any) -> Any:
        return net.scorer(Series(**described["inputs"]))

    def programs(self, model: Any) -> dict[str, Any]:
        return {"score": model}

    def examples(self, programs: Any, described: Any, *, batch: int, length: int) -> dict[str, tuple[Any, ...]]:
        import torch

        inputs = described["inputs"]
        return {"score": (torch.linspace(0, 1, batch * inputs["length"]).reshape(batch, inputs["length"], 1),)}

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("numbers", type=float, nargs="+", help="the series")

    def answer(self, chosen: Any, load: Any) -> None:
        import numpy as np

        predictor, known = load()
        (score,) = predictor.predict(None, np.array([chosen.numbers], np.float32))
        print(f"{known['experiment']}: {score:.4f}")
