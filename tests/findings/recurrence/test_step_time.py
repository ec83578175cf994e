"""R6: a net that must go word by word, one that need not, and slopes that are known."""

from __future__ import annotations

import copy
import time
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from findings.recurrence.toys import interval, language_model, ruled, runs
from torch import Tensor, nn

from quartet.data import DataModule
from quartet.findings import Measured, Verdict
from quartet.findings.recurrence import step_time
from quartet.findings.recurrence.step_time import exponent
from quartet.types import QuartetError

SETTINGS: dict[str, Any] = {"lengths": [4, 16, 64], "tokens": 128, "compared": 64, "repeats": 3, "generated": 1}


class WordByWord(nn.Module):
    """A recurrent decoder that is called once for each word, in a loop that nothing can shorten."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, x_NLD: Tensor, memory: Any = None, state: Any = None) -> tuple[Tensor, Any]:
        found = []
        for x_N1D in x_NLD.split(1, 1):
            y_N1D, state = self.decoder(x_N1D, None, state)
            found.append(y_N1D)
        return torch.cat(found, 1), state


class AllAtOnce(nn.Module):
    """A decoder that treats each word alone: the same work for the same number of words, in sequences of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(24, 24)

    def forward(self, x_NLD: Tensor, memory: Any = None, state: Any = None) -> tuple[Tensor, Any]:
        return self.layer(x_NLD), ()


def looping(data: DataModule, seed: int) -> Any:
    model = language_model(data, "rnn", seed=seed)
    model.decoder = WordByWord(model.decoder)
    return model


def parallel(data: DataModule, seed: int) -> Any:
    model = language_model(data, "rnn", seed=seed)
    model.decoder = AllAtOnce()
    return model


def measured(data: DataModule, recurrent: Any, other: Any) -> Measured:
    made = {"lstm": recurrent, "transformer": other}
    finished = {name: runs(partial(make, data), data) for name, make in made.items()}
    # The processor's time, which other work on the machine does not lengthen.
    return step_time(finished, **SETTINGS, clock=time.process_time)


def test_a_net_that_goes_word_by_word_is_slow(data: DataModule) -> None:
    found = measured(data, looping, parallel)
    assert ruled("R6", found) is Verdict.HOLDS
    assert interval(found, "exponent_one_lstm")[0] > 0.5
    for figure in found.figures.values():
        figure.canvas.draw()


def test_a_net_that_does_all_words_at_once_does_not_hold(data: DataModule) -> None:
    assert ruled("R6", measured(data, parallel, looping)) is Verdict.DOES_NOT


def test_the_runs_models_stay_as_they_are(data: DataModule) -> None:
    made = {"lstm": runs(lambda seed: language_model(data, "rnn", seed=seed), data, seeds=1)}
    made["transformer"] = runs(lambda seed: language_model(data, "transformer", seed=seed, heads=2), data, seeds=1)
    before = {name: copy.deepcopy(of[0].model.state_dict()) for name, of in made.items()}
    step_time(made, lengths=[4, 8], tokens=8, compared=4, repeats=1, generated=1)
    for name, of in made.items():
        assert not any(weight.requires_grad for weight in of[0].model.parameters())
        assert not of[0].model.training
        for key, value in of[0].model.state_dict().items():
            assert torch.equal(value, before[name][key])


def test_exponents_are_slopes() -> None:
    lengths = [32, 64, 256, 2048]
    seconds_SP = np.array([[3e-3 * length**power for length in lengths] for power in (0.0, 1.0, 1.7)])
    np.testing.assert_allclose(exponent(lengths, seconds_SP), [0.0, 1.0, 1.7], atol=1e-12)


def test_the_compared_length_is_measured(data: DataModule) -> None:
    with pytest.raises(QuartetError, match=r"measure.compared: 5 is not among measure.lengths"):
        step_time({}, **{**SETTINGS, "compared": 5})
