"""Gradients are clipped as they are, whatever the precision has scaled the loss by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from quartet_app.config.composing import compose
from quartet_app.data.prepared import ensure
from quartet_app.run import trainer as trainers
from quartet_app.run.build import build_data, build_method


@pytest.mark.parametrize("fused", ["true", "false"])
def test_a_scaled_loss_is_clipped_unscaled(fused: str, small: Callable[..., list[str]], here: Path) -> None:
    sgd = ["optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0"]
    words = [*sgd, "optimizer.lr=1.0", f"optimizer.fused={fused}", "schedule=constant", "method.grad_clip_norm=0.01"]
    tree = compose(["net=mlp", *(word for word in small("cnn", *words, steps=2) if not word.startswith("net."))])
    data = build_data(tree, ensure(tree["data"]))
    method = build_method(tree, data)
    before = [weight.detach().clone() for weight in method.model.parameters()]
    scaled = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=2.0**8))
    trainers.quiet()
    trainer = pl.Trainer(
        accelerator="cpu", plugins=[scaled], max_steps=1, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(method, datamodule=data)
    moved = [now.detach() - then for now, then in zip(method.model.parameters(), before, strict=True)]
    assert torch.nn.utils.get_total_norm(moved).item() == pytest.approx(0.01, rel=1e-3)
