"""R3: cells by their equations, a net that looks ahead, and one that makes no use of its state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from findings.recurrence.toys import language_model, learn, ruled, runs, same
from torch import Tensor, nn

from quartet.data import DataModule
from quartet.findings import Trained, Verdict
from quartet.findings.recurrence import one_step_at_a_time
from quartet.findings.recurrence.one_step import cell, differences, double, run_by_hand
from quartet.findings.recurrence.path import principal_plane

SETTINGS: dict[str, Any] = {"windows": 4, "length": 24, "shown": 12}


@pytest.fixture(scope="module")
def cells(data: DataModule, learned: list[Trained]) -> dict[str, list[Trained]]:
    def learner(kind: str) -> Any:
        return lambda seed: learn(language_model(data, "rnn", seed=seed, cell=kind), data, steps=40)

    return {"lstm": learned, **{kind: runs(learner(kind), data) for kind in ("gru", "plain")}}


def test_a_recurrent_net_goes_step_by_step(cells: dict[str, list[Trained]]) -> None:
    found = one_step_at_a_time(cells, **SETTINGS)
    assert ruled("R3", found) is Verdict.HOLDS
    same(found, one_step_at_a_time(cells, **SETTINGS))


class LooksAhead(nn.Module):
    """A decoder that reads the text backwards too, when it is given more than one word."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.ahead = decoder

    def forward(self, x_NLD: Tensor, memory: Any = None, state: Any = None) -> tuple[Tensor, Any]:
        y_NLD, after = self.ahead(x_NLD, memory, state)
        return y_NLD + self.ahead(x_NLD.flip(1))[0].flip(1), after


def test_a_net_that_looks_ahead_is_no_net_of_steps(data: DataModule, cells: dict[str, list[Trained]]) -> None:
    def peeking(seed: int) -> nn.Module:
        model = language_model(data, "rnn", seed=seed)
        model.decoder = LooksAhead(model.decoder)
        return model

    found = one_step_at_a_time({name: runs(peeking, data) for name in cells}, **SETTINGS)
    assert ruled("R3", found) is not Verdict.HOLDS
    assert np.min(found.numbers["largest_stepwise_error"].values) > 1e-3


def test_a_net_without_a_state_holds_in_part(data: DataModule, cells: dict[str, list[Trained]]) -> None:
    """They take the same steps, but hand on nothing: gates that let nothing through, no weights from state to state."""

    def empty(kind: str) -> Any:
        def make(seed: int) -> Any:
            model = language_model(data, "rnn", seed=seed, cell=kind)
            (layer,) = model.decoder.layers
            nn.init.zeros_(layer.weight_hh_l0)
            if kind != "plain":  # the forget gate of an LSTM, the update gate of a GRU
                layer.bias_ih_l0.data[layer.hidden_size : 2 * layer.hidden_size] = -1e4
            return model

        return make

    found = one_step_at_a_time({name: runs(empty(name), data) for name in cells}, **SETTINGS)
    assert np.abs(found.numbers["least_loss_without_state"].values).max() < 1e-9
    assert ruled("R3", found) is Verdict.IN_PART


@pytest.mark.parametrize("kind", ["lstm", "gru", "plain"])
@pytest.mark.parametrize("residual", [False, True])
def test_equations_are_those_of_the_layers(data: DataModule, kind: str, residual: bool) -> None:
    model = double(language_model(data, "rnn", cell=kind, layers=3, residual=residual).eval())
    tokens_NL = torch.arange(4, 20).view(2, 8)
    stepwise, by_hand = differences(model, tokens_NL)
    assert max(stepwise, by_hand) < 1e-12
    outputs_NLD, _ = model.decoder(model.vocabulary(tokens_NL))
    torch.testing.assert_close(run_by_hand(model, tokens_NL)[-1], outputs_NLD)


def test_a_plain_cell_of_one_number() -> None:
    layer = nn.RNN(1, 1)
    for weight, value in zip(layer.parameters(), (2.0, 0.5, 0.1, 0.2), strict=True):
        nn.init.constant_(weight, value)
    hidden, _ = cell(layer, torch.tensor([[1.0]]), torch.tensor([[-1.0]]), torch.zeros(1, 1))
    assert hidden.item() == pytest.approx(math.tanh(2.0 * 1.0 + 0.1 + 0.5 * -1.0 + 0.2))


def test_the_plane_of_states_in_a_plane_holds_all_their_variance() -> None:
    corners_42 = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 1.0], [0.0, 1.0]])
    plane_42, share = principal_plane(np.hstack([corners_42, np.zeros((4, 3))]))
    assert share == pytest.approx(1.0)
    assert np.abs(np.diff(plane_42[:, 0])).max() == pytest.approx(3.0)
