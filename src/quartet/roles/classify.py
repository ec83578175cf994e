"""The role `classify`: images, series or texts to their classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.roles.forms import STANDARD_INPUT, form_of
from quartet.roles.role import Described, Load, Role
from quartet.roles.shapes import say
from quartet.types import Classes, QuartetError

if TYPE_CHECKING:
    import argparse

    from torch import nn

TOP = 3  # classes shown
BATCH = 256  # examples read at once


class Classify(Role):
    """Classify files or texts, and print the likeliest classes of each."""

    HELP = "files or texts, and the likeliest classes of each"
    SCRIPT = "quartet.serving.classify"
    PREDICTOR = "Classifier"

    def describe(  # type: ignore[override]
        self, *, inputs: Any, outputs: Classes, tokenizer: Path | None = None
    ) -> dict[str, Any]:
        return {**form_of(inputs).describe(inputs, tokenizer), "classes": list(outputs.names)}

    def rebuild(self, net: Any, described: Described) -> nn.Module:
        inputs = form_of(described.get("inputs", {})).spec(described)
        return net.classifier(inputs, Classes(names=tuple(described["classes"])))  # type: ignore[no-any-return]

    def programs(self, model: nn.Module) -> dict[str, nn.Module]:
        return {"classify": model}

    def examples(
        self, programs: Mapping[str, nn.Module], described: Described, *, batch: int, length: int
    ) -> dict[str, tuple[Any, ...]]:
        return {"classify": (form_of(described.get("inputs", {})).example(described, batch=batch, length=length),)}

    def script_name(self, described: Described) -> str:
        return form_of(described.get("inputs", {})).SCRIPT

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        what = "pictures, or folders of them; for series .npy or .csv; texts line by line, - for standard input"
        parser.add_argument("files", nargs="*", type=Path, help=what)
        parser.add_argument(
            "--text", action="append", default=[], help="a text to classify; may be given several times"
        )

    def answer(self, chosen: argparse.Namespace, load: Load) -> None:
        import numpy as np

        from quartet.roles.files import batches

        # A dash means standard input, wherever the command was typed.
        files = [Path(STANDARD_INPUT) if path.name == STANDARD_INPUT else path for path in chosen.files]
        for path in files:
            if not path.exists() and path != Path(STANDARD_INPUT):
                raise QuartetError(f"{path}: no such file or folder; a text to classify is given by --text")
        if not files and not chosen.text:
            raise QuartetError("nothing to classify: give files, or a text by --text")
        predictor, known = load()
        described = known["described"]
        form = form_of(described.get("inputs", {}))
        for part in batches(form.read(files, chosen.text, described), BATCH):
            for (name, _), p_K in zip(part, form.ask(predictor, [x for _, x in part]), strict=True):
                best = [(predictor.classes[i], float(p_K[i])) for i in np.argsort(-p_K, kind="stable")[:TOP]]
                if chosen.json:
                    say({"file": name, "classes": [{"class": label, "probability": share} for label, share in best]})
                else:
                    shown = " ".join(name.split()) if name in chosen.text else name
                    print(shown, *(f"{label} {share:.3f}" for label, share in best), sep="\t", flush=True)
