"""Fit linear classifiers to frozen features: what can be read off them.

Shapes: N examples, F features, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STEPS = 100  # of L-BFGS at most


def probe(x_NF: Tensor, y_N: Tensor, *, classes: int, penalty: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Return weights (F, K) and biases (K,) of the multinomial logistic regression of y on x (Alain & Bengio 2016).

    It minimises the mean cross-entropy and `penalty` times half the squared weights. The problem is convex and starts
    at zero, so that the answer depends on no chance.
    """
    x_NF = x_NF.double()
    weight_FK = torch.zeros(x_NF.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias_K = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight_FK, bias_K], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(x_NF @ weight_FK + bias_K, y_N) + penalty / 2 * weight_FK.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return weight_FK.detach(), bias_K.detach()


def probed_accuracy(fit: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], *, classes: int) -> float:
    """Return the accuracy on `test` of a probe of `fit`, both (features_NF, y_N); features are scaled by those of
    `fit` to mean 0 and deviation 1."""
    mean_F, deviation_F = fit[0].double().mean(0), fit[0].double().std(0, correction=0).clamp(min=1e-9)
    weight_FK, bias_K = probe((fit[0].double() - mean_F) / deviation_F, fit[1], classes=classes)
    logits_NK = (test[0].double() - mean_F) / deviation_F @ weight_FK + bias_K
    return float((logits_NK.argmax(1) == test[1]).double().mean())
