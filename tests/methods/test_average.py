from __future__ import annotations

import torch
from torch import nn

from quartet.methods.average import Average, averaged_copy


def test_it_follows_the_recursion() -> None:
    model = nn.Linear(2, 1)
    average = averaged_copy(model)
    averaging = Average(average, model, decay=0.9)
    expected = model.weight.detach().clone()
    for step in range(5):
        with torch.no_grad():
            model.weight.add_(1.0)
        averaging.update(step=step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.weight, expected)


def test_buffers_are_copied_and_nothing_asks_for_gradients() -> None:
    model = nn.BatchNorm1d(3)
    average = averaged_copy(model)
    model(torch.randn(8, 3))
    Average(average, model, decay=0.9).update(step=0)
    torch.testing.assert_close(average.running_mean, model.running_mean)
    assert not any(parameter.requires_grad for parameter in average.parameters())
