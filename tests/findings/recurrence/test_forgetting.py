"""R5: nets that forget, a net that never does, and influence where it is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from findings.recurrence.toys import interval, language_model, ruled, runs, same
from torch import nn

from quartet.data import DataModule
from quartet.findings import Measured, Verdict
from quartet.findings.recurrence import forgetting
from quartet.findings.recurrence.forgetting import far_over_near, gradients, moved, parts
from quartet.findings.recurrence.text import held_out, windows

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("rnn", {"cell": "plain"}),
    "lstm": ("rnn", {"cell": "lstm"}),
    "lstm_longer": ("rnn", {"cell": "lstm"}),
    "gru": ("rnn", {"cell": "gru"}),
    "transformer": ("transformer", {"heads": 2, "layers": 2}),
    "cnn": ("cnn", {"layers": 2, "cycle": 2}),
}
SETTINGS: dict[str, Any] = {"windows": 20, "distances": [1, 2, 8, 32, 64, 128], "near": 2, "far": 64}


def fresh(data: DataModule, name: str, seed: int = 0) -> Any:
    family, changes = NETS[name]
    return language_model(data, family, seed=seed, **changes)


def measured(data: DataModule, **other: Any) -> Measured:
    makes = {name: lambda seed, name=name: fresh(data, name, seed) for name in NETS} | other
    return forgetting({name: runs(make, data) for name, make in makes.items()}, **SETTINGS)


def test_recurrent_nets_forget(data: DataModule) -> None:
    found = measured(data)
    assert ruled("R5", found) is Verdict.HOLDS
    same(found, measured(data))


def keeper(data: DataModule, name: str, seed: int) -> Any:
    """A recurrent net that adds each word to its state and takes nothing away, by its weights."""
    model = language_model(data, "rnn", seed=seed, tie_embeddings=False, **NETS[name][1])
    (layer,) = model.decoder.layers
    width = layer.hidden_size
    weights, state, bias = layer.weight_ih_l0.data, layer.weight_hh_l0.data, layer.bias_ih_l0.data
    weights.mul_(0.001)  # where tanh is a straight line
    nn.init.zeros_(state)
    bias.zero_()
    if name == "plain":
        nn.init.eye_(state)
    else:
        bias[width : 2 * width] = 6.0  # the forget gate of an LSTM and the update gate of a GRU keep nearly all
    model.vocabulary.head.weight.data.mul_(1000)  # what is left still moves the prediction
    return model


def test_nets_that_never_forget_do_not_hold(data: DataModule) -> None:
    recurrent = ("plain", "lstm", "lstm_longer", "gru")
    found = measured(data, **{name: lambda seed, n=name: keeper(data, n, seed) for name in recurrent})
    for name in recurrent:
        assert np.mean(found.numbers[f"{name}_far_over_near"].values) > -0.5, name
    assert ruled("R5", found) is Verdict.DOES_NOT


def test_forgetting_that_learning_ends_does_not_hold(data: DataModule) -> None:
    """All nets are fresh and forget, but for the one that was trained longer."""
    found = measured(data, lstm_longer=lambda seed: keeper(data, "lstm_longer", seed))
    assert interval(found, "lstm_longer_far_over_near")[0] > -0.5
    assert ruled("R5", found) is Verdict.IN_PART


def test_a_convolution_knows_nothing_beyond_its_reach(data: DataModule) -> None:
    """Two blocks with kernels of 3 and dilations 1 and 2 reach 2 + 4 tokens back from the last one read."""
    model, tokens_NL = fresh(data, "cnn").eval(), windows(held_out(data, "test"), count=6, length=13)
    distances = range(1, 13)
    by_gradient = gradients(model, tokens_NL, distances).max(0)
    by_word = moved(model, tokens_NL[:, :-1], distances).max(0)
    assert (by_gradient[:7] > 0).all()
    assert not by_gradient[7:].any()
    assert by_word[7:].max() < 1e-6 < by_word[:7].min()


@pytest.mark.parametrize("name", NETS)
def test_reading_on_from_a_state_changes_nothing(data: DataModule, name: str) -> None:
    """Each replacement alone, the whole text read anew, moves the prediction as far."""
    model, read_NL = fresh(data, name).eval(), windows(held_out(data, "test"), count=5, length=16)
    other_NL, alone = read_NL.roll(-1, 0), []
    with torch.no_grad():
        before = model(read_NL)[0][:, -1].double().softmax(-1)
        for distance in (1, 5, 16):
            changed_NL = read_NL.clone()
            changed_NL[:, -distance] = other_NL[:, -distance]
            after = model(changed_NL)[0][:, -1].double().softmax(-1)
            alone.append((after - before).abs().sum(1) / 2)
    np.testing.assert_allclose(moved(model, read_NL, (1, 5, 16)), torch.stack(alone, 1), atol=2e-6)


def test_gradients_are_those_of_small_changes(data: DataModule) -> None:
    model, tokens_NL = fresh(data, "lstm").double().eval(), windows(held_out(data, "test"), count=1, length=5)
    x_NLD, step = model.vocabulary(tokens_NL[:, :-1]).detach(), 1e-6

    def log_p(x: torch.Tensor) -> float:
        return model.vocabulary.logits(model.decoder(x)[0])[0, -1].log_softmax(-1)[tokens_NL[0, -1]].item()

    slopes = []
    for i in range(x_NLD.shape[2]):
        moved_NLD = x_NLD.clone()
        moved_NLD[0, 1, i] += step
        slopes.append((log_p(moved_NLD) - log_p(x_NLD)) / step)
    assert gradients(model, tokens_NL, [3])[0, 0] == pytest.approx(np.linalg.norm(slopes), rel=1e-4)


def test_far_over_near_is_a_ratio_of_means() -> None:
    influence = np.array([[1.0, 3.0, 0.5, 0.03, 0.01]])
    assert far_over_near(influence, [1, 2, 4, 8, 16], near=2, far=8).item() == pytest.approx(-2.0)
    assert far_over_near(np.array([1.0, 0.0]), [1, 2], near=1, far=2) == pytest.approx(-6.0)  # nothing, to rounding


def test_the_windows_parts_are_as_uncertain_as_the_logarithm() -> None:
    """Of a thousand draws of 40 windows, the logarithms' spread is that which the parts of one draw foretell."""
    influence_DNP = np.random.default_rng(0).gamma(2.0, size=(1000, 40, 2)) * [1.0, 0.01]
    parts_DN = np.stack([parts(one_NP, [1, 2], near=1, far=2) for one_NP in influence_DNP])
    whole_D = far_over_near(influence_DNP.mean(1), [1, 2], near=1, far=2)
    np.testing.assert_allclose(parts_DN.mean(1), whole_D, atol=0.01)
    foretold = np.sqrt((parts_DN.var(1, ddof=1) / 40).mean())
    assert foretold == pytest.approx(whole_D.std(), rel=0.08)


def test_intervals_cover_the_windows(data: DataModule) -> None:
    found = measured(data)
    for name in ("lstm_far_over_near", "lstm_gradient_far_over_near", "lstm_minus_transformer"):
        assert np.shape(found.numbers[name].values) == (3, SETTINGS["windows"]), name
