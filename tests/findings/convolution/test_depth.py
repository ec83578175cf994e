"""C4: layers that build patterns from patterns, and a net that sees single pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from findings.convolution.toys import SEEDS, Pictures, decided, learn, net, runs_of, trained

from quartet.findings import Trained, Verdict
from quartet.findings.convolution import depth
from quartet.findings.convolution.combining import contributions, participation
from quartet.findings.convolution.depth import choices, order
from quartet.findings.convolution.depth_figures import around
from quartet.findings.convolution.maps import first_images, maps, rectified, stride
from quartet.findings.convolution.probe import probe, probed_accuracy
from quartet.findings.convolution.untrained import untrained


@pytest.mark.parametrize(("pixels", "places", "apart"), [(28, 28, 1), (28, 14, 2), (28, 7, 4), (28, 3, 8), (16, 2, 8)])
def test_the_stride_of_a_map(pixels: int, places: int, apart: int) -> None:
    assert stride(pixels, places) == apart


def test_participation_counts_equal_parts() -> None:
    assert participation(torch.tensor([0.0, -2, 2, 0, 2])) == pytest.approx(3)
    assert participation(torch.tensor([3.0, 1])) == pytest.approx(16 / 10)


def test_what_a_layer_adds_up_is_its_answer() -> None:
    """Without biases a rectified net is linear in parts: the contributions of all maps sum to the answer."""
    model = net("cnn", width=8, stages=2, depth=0, norm="none").eval()
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.zeros_(weight)
    x_NHWC, _ = first_images(Pictures(), "test", 5)
    before, after = rectified(model)
    parts = contributions(model, x_NHWC, before, after)
    strongest_C = maps(model, x_NHWC, [after])[0].movedim(1, 0).flatten(1).amax(1)
    assert len(parts) == int((strongest_C > 0).sum())
    torch.testing.assert_close(torch.stack([part_B.sum() for part_B in parts]), strongest_C[strongest_C > 0])


def test_a_probe_reads_what_is_linear_and_nothing_else() -> None:
    draw = torch.Generator().manual_seed(0)
    x_NF, noise_NF = torch.randn(300, 4, generator=draw), torch.randn(300, 4, generator=draw)
    y_N = x_NF[:, :3].argmax(1)
    read = probed_accuracy((x_NF[:200] * 50 + 7, y_N[:200]), (x_NF[200:] * 50 + 7, y_N[200:]), classes=3)
    assert read > 0.9
    assert probed_accuracy((noise_NF[:200], y_N[:200]), (noise_NF[200:], y_N[200:]), classes=3) < 0.5


def test_a_probe_is_where_its_loss_is_flat() -> None:
    draw = torch.Generator().manual_seed(1)
    x_NF, y_N = torch.randn(80, 3, generator=draw).double(), torch.randint(0, 2, (80,), generator=draw)
    weight_FK, bias_K = (part.requires_grad_() for part in probe(x_NF, y_N, classes=2, penalty=0.1))
    loss = torch.nn.functional.cross_entropy(x_NF @ weight_FK + bias_K, y_N) + 0.05 * weight_FK.square().sum()
    for gradient in torch.autograd.grad(loss, (weight_FK, bias_K)):
        assert gradient.abs().max() < 1e-5


def test_the_untrained_twin_is_fresh_the_same_each_time_and_leaves_the_model() -> None:
    model = net("cnn", width=8, stages=2).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x_NHWC, _ = first_images(Pictures(), "val", 50)
    twins = [untrained(model, x_NHWC, seed=seed).state_dict() for seed in (3, 3, 4)]
    name = "encoder.layers.0.weight"
    assert torch.equal(twins[0][name], twins[1][name])
    assert not torch.equal(twins[0][name], twins[2][name])
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not torch.equal(twins[0][name], before[name])


def test_choices_of_channels() -> None:
    assert choices(4, 4)[0].tolist() == [0, 1, 2, 3]
    drawn = choices(9, 4)
    assert len(drawn) == 3
    assert all(len(set(which.tolist())) == 4 for which in drawn)


def test_patches_lie_around_their_place() -> None:
    x_HW = torch.arange(16.0).reshape(4, 4)
    assert around(x_HW, 1.5, 2.5, 3).tolist() == [[1, 2, 3], [5, 6, 7], [9, 10, 11]]
    assert around(x_HW, 0.5, 0.5, 3).tolist() == [[0, 0, 0], [0, 0, 1], [0, 4, 5]]


def test_deep_nets_hold_and_a_net_of_single_pixels_does_not() -> None:
    data = Pictures(wander=3, arranged=True)
    deep = depth(
        {"cnn": runs_of(data, "cnn", steps=120, width=8, depth=1)}, images=200, seen=16
    )  # six layers: of three
    # two that both recognise all would leave the order open
    assert decided("C4", deep)[0] is Verdict.HOLDS
    assert list(deep.figures) == ["patches", "layers"]
    pixels = depth({"cnn": runs_of(data, "cnn", steps=30, width=8, depth=0, kernel=1)}, images=200, seen=8)
    verdict, met = decided("C4", pixels)
    assert verdict is not Verdict.HOLDS
    assert met["selectivity_gain"] is False


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((0.3, 0.4, 0.8), 1),
        ((0.8, 0.4, 0.3), -1),
        ((0.3, 0.5, 0.4), 0.5),
        ((0.3, 0.3, 0.3, 0.8), 3 / 15**0.5),  # equal values share their ranks: 2, 2, 2, 4
        ((0.3, 0.3, 0.3), 0),
    ],
)
def test_the_order_of_what_layers_tell(told: tuple[float, ...], expected: float) -> None:
    assert order(np.array(told)) == pytest.approx(expected)


def last_learned(data: Pictures, *, seed: int) -> Trained:
    """A net of which the last residual block and the head have learned, and no layer before them."""
    torch.manual_seed(seed)
    model: Any = net("cnn", width=8, stages=2, depth=2)
    model.encoder.layers[:-1].requires_grad_(False)
    return trained(learn(model, data, steps=80, seed=seed, rate=0.02), data, seed=seed)


def test_a_net_of_which_only_the_last_layer_has_learned_does_not_hold() -> None:
    """Its ends are as far apart as those of a net that has learned layer by layer."""
    data = Pictures(wander=3, arranged=True)
    found = depth({"cnn": [last_learned(data, seed=seed) for seed in SEEDS]}, images=200, seen=16)
    verdict, met = decided("C4", found)
    assert verdict is Verdict.IN_PART
    assert [name for name, held in met.items() if not held] == ["selectivity_order"]
    assert met["selectivity_order"] is False
    assert min(found.numbers["patterns_combined_untrained"].values) > 2
