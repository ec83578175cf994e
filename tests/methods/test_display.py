"""What a run says of its progress where there is no terminal: few lines, which name what is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from quartet.methods.recorder import SECONDS_BETWEEN_LINES, Display, describe

TRAIN = {"discriminator_loss": 0.69314, "loss": 12.0, "lr": 0.1, "samples_per_second": 1234.4}


def test_a_row_is_told_in_a_few_words() -> None:
    assert describe("train", TRAIN, monitor="loss") == "discriminator loss 0.6931 loss 12 · 1,234 samples/s"
    assert describe("val", {"balanced_accuracy": 0.98765, "loss": 1.0}, monitor="balanced_accuracy") == (
        "val balanced accuracy 0.9877"
    )
    assert describe("val", {"loss": 1.0}, monitor="accuracy") == "val accuracy nan"


def test_a_log_has_a_line_a_validation_and_now_and_then_one(capsys: pytest.CaptureFixture[str]) -> None:
    clock = SimpleNamespace(fraction=0.256, samples=12_345)
    method: Any = SimpleNamespace(clock=clock, task=SimpleNamespace(MONITOR="accuracy"))
    display = Display(title="cnn (seed 0)")
    display.show("train", TRAIN, method)
    assert capsys.readouterr().out == "", "a line for each row would fill the log"
    display.show("val", {"accuracy": 0.5}, method)
    trained = "discriminator loss 0.6931 loss 12 · 1,234 samples/s"
    line = f"cnn (seed 0):  26% · 12,345 samples · {trained} · val accuracy 0.5\n"
    assert capsys.readouterr().out == line
    display.show("train", TRAIN, method)
    assert capsys.readouterr().out == ""
    display.said -= SECONDS_BETWEEN_LINES
    display.show("train", TRAIN, method)
    assert capsys.readouterr().out == line
    display.close()
