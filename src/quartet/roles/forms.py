"""What a classifier reads, arrays or texts: how that is described, rebuilt, exported, read from files and asked."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.roles import text
from quartet.roles.role import Described
from quartet.roles.shapes import spec_of
from quartet.types import Pixels, QuartetError, Series, Tokens

if TYPE_CHECKING:
    from torch import Tensor

STANDARD_INPUT = "-"


class Form(ABC):
    """The inputs of a classifier."""

    SCRIPT: str  # the module that MLflow stores, as in `Role`

    @abstractmethod
    def describe(self, inputs: Any, tokenizer: Path | None) -> dict[str, Any]:
        """Return the entries of model.json about the inputs."""

    @abstractmethod
    def spec(self, described: Described) -> Any:
        """Return the spec of the inputs. Raises ValueError for a description that contradicts itself."""

    @abstractmethod
    def example(self, described: Described, *, batch: int, length: int) -> Tensor:
        """Return a batch of made-up inputs."""

    @abstractmethod
    def read(self, files: Sequence[Path], texts: Sequence[str], described: Described) -> Iterator[tuple[str, Any]]:
        """Yield the name and the content of each example that a person names or types."""

    @abstractmethod
    def ask(self, predictor: Any, examples: Sequence[Any]) -> Any:
        """Return the probabilities p_NK of the examples' classes."""


class Arrays(Form):
    """Images and series."""

    SCRIPT = "quartet.serving.classify"

    def describe(self, inputs: Pixels | Series, tokenizer: Path | None) -> dict[str, Any]:
        return {"dtype": inputs.dtype, "shape": list(inputs.shape), "inputs": asdict(inputs)}

    def spec(self, described: Described) -> Any:
        inputs: Any = spec_of(described["inputs"])
        form = inputs.dtype, list(inputs.shape)
        if (described["dtype"], described["shape"]) != form:
            raise ValueError(f"dtype and shape are not those of its inputs, {form}")
        return inputs

    def example(self, described: Described, *, batch: int, length: int) -> Tensor:
        import torch

        draw = torch.Generator().manual_seed(0)
        x = torch.rand(batch, *described["shape"], generator=draw).mul(255)
        return x.to(getattr(torch, described["dtype"]))

    def read(self, files: Sequence[Path], texts: Sequence[str], described: Described) -> Iterator[tuple[str, Any]]:
        from quartet.roles.files import examples

        if texts:
            raise QuartetError(f"--text {texts[0]!r}: this model reads pictures or series; give it files")
        if Path(STANDARD_INPUT) in files:
            raise QuartetError("-: this model reads pictures or series, none from standard input; give it files")
        return examples(list(files), dict(described))

    def ask(self, predictor: Any, examples: Sequence[Any]) -> Any:
        import numpy as np

        return predictor.probabilities(np.stack(list(examples)))


class Texts(Form):
    """Texts: each line of a file, of standard input (-), or as typed."""

    SCRIPT = "quartet.serving.classify_text"

    def describe(self, inputs: Tokens, tokenizer: Path | None) -> dict[str, Any]:
        assert tokenizer is not None, "texts have a tokenizer"
        engine = text.portable(json.loads(tokenizer.read_text(encoding="utf-8")))
        return {"inputs": asdict(inputs), "example": list(text.EXAMPLE), "tokenizer": json.loads(engine.to_str())}

    def spec(self, described: Described) -> Any:
        return spec_of(described["inputs"])

    def example(self, described: Described, *, batch: int, length: int) -> Tensor:
        return text.example_ids(Tokens(**described["inputs"]), batch, length)

    def read(self, files: Sequence[Path], texts: Sequence[str], described: Described) -> Iterator[tuple[str, Any]]:
        from quartet.roles.files import lines

        for typed in texts:
            yield typed, text.checked_text(typed)
        yield from lines(files)

    def ask(self, predictor: Any, examples: Sequence[Any]) -> Any:
        return predictor.probabilities(list(examples))


ARRAYS, TEXTS = Arrays(), Texts()


def form_of(inputs: Any) -> Form:
    """Return the form of a spec, or of its fields as a description holds them."""
    return TEXTS if "vocabulary" in (inputs if isinstance(inputs, Mapping) else vars(inputs)) else ARRAYS
