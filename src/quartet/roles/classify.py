"""The role `classify`: images or series to their classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.roles.role import Described, Load, Role
from quartet.roles.shapes import say, spec_of
from quartet.types import Classes, Pixels, QuartetError, Series

if TYPE_CHECKING:
    import argparse

    from torch import nn

TOP = 3  # classes shown
BATCH = 256  # pictures read at once


class Classify(Role):
    """Classify files, and print the likeliest classes of each."""

    HELP = "files, and the likeliest classes of each"
    SCRIPT = "quartet.serving.classify"
    PREDICTOR = "Classifier"

    def describe(self, *, inputs: Pixels | Series, outputs: Classes) -> dict[str, Any]:  # type: ignore[override]
        return {**_form(inputs), "inputs": asdict(inputs), "classes": list(outputs.names)}

    def rebuild(self, net: Any, described: Described) -> nn.Module:
        inputs = spec_of(described["inputs"])
        form = _form(inputs)
        if {key: described[key] for key in form} != form:
            raise ValueError(f"dtype and shape are not those of its inputs, {form['dtype'], form['shape']}")
        return net.classifier(inputs, Classes(names=tuple(described["classes"])))  # type: ignore[no-any-return]

    def programs(self, model: nn.Module) -> dict[str, nn.Module]:
        return {"classify": model}

    def examples(
        self, programs: Mapping[str, nn.Module], described: Described, *, batch: int, length: int
    ) -> dict[str, tuple[Any, ...]]:
        import torch

        draw = torch.Generator().manual_seed(0)
        x = torch.rand(batch, *described["shape"], generator=draw).mul(255)
        return {"classify": (x.to(getattr(torch, described["dtype"])),)}

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, help="pictures, or folders of them; for series .npy or .csv")

    def answer(self, chosen: argparse.Namespace, load: Load) -> None:
        import numpy as np

        from quartet.roles.files import batches, examples

        for path in chosen.files:
            if not path.exists():
                raise QuartetError(f"{path}: no such file or folder")
        predictor, known = load()
        for part in batches(examples(chosen.files, known["described"]), BATCH):
            for (name, _), p_K in zip(part, predictor.probabilities(np.stack([x for _, x in part])), strict=True):
                best = [(predictor.classes[i], float(p_K[i])) for i in np.argsort(-p_K, kind="stable")[:TOP]]
                if chosen.json:
                    say({"file": name, "classes": [{"class": label, "probability": share} for label, share in best]})
                else:
                    print(name, *(f"{label} {share:.3f}" for label, share in best), sep="\t", flush=True)


def _form(inputs: Pixels | Series) -> dict[str, Any]:
    """Return the data type of the inputs, and the shape of one example."""
    return {"dtype": inputs.dtype, "shape": list(inputs.shape)}
