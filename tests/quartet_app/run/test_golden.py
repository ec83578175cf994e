"""Learning curves of tiny runs, written down: a silent change of a net, a loss, a batch or an optimizer shows here.

After a change that is meant, write them anew and say why in the commit:
`QUARTET_WRITE_GOLDEN=1 python -m pytest tests/quartet_app/run/test_golden.py`
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from running import ROOT, curve, only_run

from quartet_app.config.composing import compose
from quartet_app.run.train import train

GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize("experiment", ["cnn", "rnn", "transformer", "gan"])
def test_the_curve_is_as_it_was(experiment: str, small: Callable[..., list[str]], here: Path) -> None:
    train(compose(small(experiment)))
    name = "discriminator_loss" if experiment == "gan" else "loss"
    found = [float(row[name]) for row in curve(only_run(here), "train")]
    path = GOLDEN / f"{experiment}.txt"
    if os.environ.get("QUARTET_WRITE_GOLDEN"):
        path.write_text("".join(f"{value:.6g}\n" for value in found))
    expected = [float(line) for line in path.read_text().split()]
    assert found == pytest.approx(expected, rel=2e-3)
