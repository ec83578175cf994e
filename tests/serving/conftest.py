"""Real models of each family with random weights, and what predicts with them as MLflow's scripts do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from running import recipe
from torch import nn

from quartet import roles
from quartet.data.loading.tokenizer import train_tokenizer
from quartet.description import describe
from quartet.types import Tokens

SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"width": 16, "layers": 4},
    "rnn": {"width": 16, "layers": 2},
    "transformer": {"width": 16},
}
SMALL["alone"] = {"_target_": "quartet.nets.DecoderOnlyTransformer", "width": 16}  # has no file of its own
TEXT = ["the cat eats the dog", "a dog eats", "die Katze frißt", "der Hund frißt ½ Käse 😀"] * 5
CONTEXT = 16


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., tuple[nn.Module, Any]]:
    """`make("rnn", "language", cell="gru")`: a model, and the predictor of its role that uses it."""

    def made(family: str, role: Any, **changes: Any) -> tuple[nn.Module, Any]:
        trained = train_tokenizer(TEXT, kind="subword", vocabulary=280, spaced=role == "translate")
        trained.save(tmp_path / "tokenizer.json")
        tokens = Tokens(vocabulary=trained.vocabulary, context=CONTEXT)
        torch.manual_seed(0)
        net = recipe("transformer" if family == "alone" else family, **{**SMALL[family], **changes})
        model = net.language_model(tokens) if role == "language" else net.translator(tokens)
        with torch.no_grad():  # larger weights have opinions
            for parameter in model.parameters():
                parameter.mul_(1.5)
        described = describe(role=role, outputs=tokens, tokenizer=tmp_path / "tokenizer.json")
        return model, roles.find(role).predictor(
            described, roles.find(role).programs(model.eval().requires_grad_(False))
        )

    return made
