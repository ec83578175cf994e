"""A frozen classifier is the one that was saved, or an error."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from quartet.nets import MLP, frozen_classifier
from quartet.types import Classes, Pixels, QuartetError

NET = MLP(width=8, layers=1, norm="batch", dropout=0.5, spectral=False)
PIXELS = {"height": 4, "width": 4, "channels": 1, "mean": [100.0], "std": [50.0]}
CLASSES = ["a", "b"]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[torch.nn.Module, dict[str, Any]]:
    model = NET.classifier(Pixels(4, 4, 1, (100.0,), (50.0,)), Classes(tuple(CLASSES)))
    path = tmp_path / "judge.safetensors"
    save_file(model.state_dict(), path)
    digest = sha256(path.read_bytes()).hexdigest()
    return model, {"net": NET, "pixels": PIXELS, "classes": CLASSES, "weights": str(path), "sha256": digest}


def test_it_is_the_one_that_was_saved(saved: tuple[Any, dict[str, Any]]) -> None:
    model, arguments = saved
    frozen = frozen_classifier(**arguments)
    x = torch.randint(0, 256, (3, 4, 4, 1), dtype=torch.uint8)
    assert torch.equal(frozen(x), model.eval()(x))
    assert torch.equal(frozen.features(x), model.features(x))
    assert frozen.digest == arguments["sha256"]
    assert not frozen.training
    assert not any(weight.requires_grad for weight in frozen.parameters())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sha256": "0" * 64}, "its SHA-256 is"),
        ({"weights": "absent.safetensors"}, "absent.safetensors: no such file"),
        ({"classes": ["a", "b", "c"]}, "not the weights of MLP"),
    ],
)
def test_anything_else_is_an_error(saved: tuple[Any, dict[str, Any]], change: dict[str, Any], says: str) -> None:
    with pytest.raises(QuartetError, match=says):
        frozen_classifier(**(saved[1] | change))
