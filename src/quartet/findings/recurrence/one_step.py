"""R3: run a recurrent net word by word, and by its equations written out, beside the run of the whole text at once.

Shapes: S seeds, N windows, L tokens, D width, V vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from quartet.findings.finding import Measured, Number, Trained
from quartet.findings.recurrence.nets import called
from quartet.findings.recurrence.path import draw_path, draw_units
from quartet.findings.recurrence.text import held_out, losses, windows
from quartet.findings.seeds import Runs, of_each, one_a_seed

CELLS = ("lstm", "gru", "plain")


def one_step_at_a_time(runs: Runs, *, windows: int, length: int, shown: int) -> Measured:
    """Compare three ways to run each net on the test text, and take its state away.

    `runs`: "lstm", "gru" and "plain", recurrent language models. All is computed in double precision. The figures show
    the states of the last layer of the LSTM of the first seed through the first `shown` tokens of the second window.
    """
    tokens_NL = some(runs["lstm"][0], windows, length)
    found = of_each(runs, lambda run: differences(double(run.model), tokens_NL), CELLS)  # (S, 2)
    lost = of_each(runs, lambda run: loss_without_state(double(run.model), tokens_NL), CELLS)  # (S,)
    first = one_a_seed(runs, "lstm")[0]
    text_L = tokens_NL[1, :shown]
    words = [first.data.tokenizer.decode([token]) for token in text_L.tolist()]
    states_LD = path_of_states(double(first.model), text_L)
    return Measured(
        numbers=numbers_of(np.max(list(found.values()), axis=0), lost),
        figures={"path": draw_path(states_LD, words), "units": draw_units(states_LD, words)},
    )


def numbers_of(error_S2: np.ndarray, lost: Mapping[str, np.ndarray]) -> dict[str, Number]:
    """Return the numbers from the largest errors of the three cells and what each loses without its state, (S,)."""
    numbers = {
        "largest_stepwise_error": Number(
            error_S2[:, 0], "largest difference of a logit, token by token against the whole text at once"
        ),
        "largest_error_by_hand": Number(
            error_S2[:, 1], "largest difference of a logit, by the cells' equations step by step against the whole text"
        ),
        "least_loss_without_state": Number(
            np.min(list(lost.values()), axis=0),
            "loss added when the state is emptied before each token, nats a token, the smallest of the cells",
        ),
    }
    for name, lost_S in lost.items():
        numbers[f"loss_without_state_{name}"] = Number(lost_S, f"the same, nats a token, {called(name)}")
    return numbers


def some(run: Trained, count: int, length: int) -> Tensor:
    """Return windows of the test text, (N, L)."""
    return windows(held_out(run.data, "test"), count=count, length=length)


def double(model: nn.Module) -> Any:
    """Return a copy in double precision: what is equal in exact arithmetic is then equal to many digits."""
    return copy.deepcopy(model).double()


@torch.no_grad()
def differences(model: Any, tokens_NL: Tensor) -> tuple[float, float]:
    """Return the largest differences of a logit from the whole run: of the stepwise run, and of the run by hand."""
    whole_NLV, _ = model(tokens_NL)
    steps, state = [], None
    for token_N1 in tokens_NL.split(1, 1):
        logits_N1V, state = model(token_N1, state)
        steps.append(logits_N1V)
    by_hand_NLV = model.vocabulary.logits(run_by_hand(model, tokens_NL)[-1])
    return tuple((other - whole_NLV).abs().max().item() for other in (torch.cat(steps, 1), by_hand_NLV))  # type: ignore[return-value]


@torch.no_grad()
def loss_without_state(model: Any, tokens_NL: Tensor) -> float:
    """Return by how much the loss rises when each token is read alone, from an empty state, nats a token."""
    target_NL = tokens_NL[:, 1:]
    whole_NLV, _ = model(tokens_NL[:, :-1])
    alone_N1V, _ = model(tokens_NL[:, :-1].reshape(-1, 1))
    alone_NLV = alone_N1V.view(*target_NL.shape, -1)
    return (losses(alone_NLV, target_NL) - losses(whole_NLV, target_NL)).mean().item()


@torch.no_grad()
def run_by_hand(model: Any, tokens_NL: Tensor) -> list[Tensor]:
    """Return each recurrent layer's output, (N, L, D), by its equations: one step after the other, the same weights.

    The layers are those of `model.decoder`, found by their type; with `residual`, each but the first adds its input.
    """
    x_NLD = model.vocabulary(tokens_NL)
    found: list[Tensor] = []
    for layer in (part for part in model.decoder.modules() if isinstance(part, nn.RNNBase)):
        state = (x_NLD.new_zeros(len(x_NLD), layer.hidden_size),) * 2
        outputs = []
        for x_ND in x_NLD.unbind(1):
            state = cell(layer, x_ND, *state)
            outputs.append(state[0])
        y_NLD = torch.stack(outputs, 1)
        x_NLD = x_NLD + y_NLD if found and getattr(model.decoder, "residual", False) else y_NLD
        found.append(x_NLD)
    return found


def cell(layer: nn.RNNBase, x_ND: Tensor, h_ND: Tensor, c_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Return the next hidden state and the next cells (zeros for kinds without cells), by the equations of
    torch's documentation: Elman 1990; Hochreiter & Schmidhuber 1997; Cho et al. 2014."""
    weight_ih, weight_hh, bias_ih, bias_hh = (getattr(layer, f"{name}_l0") for name in WEIGHTS)
    of_x, of_h = x_ND @ weight_ih.T + bias_ih, h_ND @ weight_hh.T + bias_hh
    if isinstance(layer, nn.LSTM):
        enter, forget, new, leave = (of_x + of_h).chunk(4, 1)
        c_ND = forget.sigmoid() * c_ND + enter.sigmoid() * new.tanh()
        return leave.sigmoid() * c_ND.tanh(), c_ND
    if isinstance(layer, nn.GRU):
        (reset_x, keep_x, new_x), (reset_h, keep_h, new_h) = of_x.chunk(3, 1), of_h.chunk(3, 1)
        keep = (keep_x + keep_h).sigmoid()
        new = (new_x + (reset_x + reset_h).sigmoid() * new_h).tanh()
        return (1 - keep) * new + keep * h_ND, c_ND
    return (of_x + of_h).tanh(), c_ND


WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def path_of_states(model: Any, tokens_L: Tensor) -> np.ndarray:
    """Return the last layer's hidden state after each token, (L, D)."""
    return run_by_hand(model, tokens_L[None])[-1][0].float().numpy()
