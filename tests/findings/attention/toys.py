"""Small translators of letters, and the verdict of a rule in conf/finding on what is measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from running import recipe
from torch import nn

from quartet.findings import Condition, Measured, Trained, Verdict, verdict
from quartet.nets import Net
from quartet.report.chance.chance import chance_of
from quartet.types import BOS, EOS, PAD, Tokens

CONF = Path(__file__).parents[3] / "conf"
LETTERS, KEYS = "abcdef", "123"
SYMBOLS = LETTERS + KEYS
TOKENS = Tokens(vocabulary=4 + len(SYMBOLS), context=12)


class Letters:
    """One token for each symbol, after the four reserved ids; others are left out."""

    def encode(self, text: str) -> list[int]:
        return [4 + SYMBOLS.index(symbol) for symbol in text if symbol in SYMBOLS]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(SYMBOLS[i - 4] for i in ids if i > 3)


class Pairs:
    """Letters and their translation: each is moved on in the alphabet by the key, which stands at any place."""

    tokenizer = Letters()
    inputs = TOKENS

    def __init__(self, *, keyed: bool, count: int = 64) -> None:
        generator = np.random.default_rng(0)
        self.splits = {split: batch(generator, count, keyed=keyed) for split in ("train", "val", "test")}

    def batches(self, split: str) -> list[dict[str, Any]]:
        whole, half = self.splits[split], len(self.splits[split]["index"]) // 2
        return [{key: value[part] for key, value in whole.items()} for part in (slice(half, None), slice(half))]


def batch(generator: np.random.Generator, count: int, *, keyed: bool) -> dict[str, torch.Tensor]:
    """Return `count` pairs; without keys a text is its own translation."""
    sources, targets = [], []
    for _ in range(count):
        letters = generator.integers(len(LETTERS), size=generator.integers(4, 7))
        key = int(generator.integers(len(KEYS))) if keyed else -1
        source = [4 + int(letter) for letter in letters]
        if keyed:
            source.insert(int(generator.integers(len(source) + 1)), 4 + len(LETTERS) + key)
        sources.append(torch.tensor([*source, EOS]))
        moved = [4 + (int(letter) + key + 1) % len(LETTERS) for letter in letters]
        targets.append(torch.tensor([BOS, *moved, EOS]))
    pad = nn.utils.rnn.pad_sequence
    return {
        "source": pad(sources, batch_first=True, padding_value=PAD),
        "target": pad(targets, batch_first=True, padding_value=PAD),
        "index": torch.arange(count),
    }


def translator(net: Net | None = None, **changes: Any) -> Any:
    """Return a small translator with random weights: a Transformer with these changes, or the net."""
    torch.manual_seed(0)
    made = net or recipe("transformer", **{"width": 24, "heads": 2, "layers": 1, "dropout": 0.0} | changes)
    return made.translator(TOKENS).eval()


def taught(model: nn.Module, *, keyed: bool, steps: int, lr: float = 0.01) -> nn.Module:
    """Return the model, trained on pairs that are drawn anew in each step."""
    generator = np.random.default_rng(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.98))
    for step in range(steps):
        drawn = batch(generator, 64, keyed=keyed)
        logits = model(drawn["source"], drawn["target"][:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), drawn["target"][:, 1:].flatten(), ignore_index=PAD)
        optimizer.param_groups[0]["lr"] = lr * min(1.0, 2 * (1 - step / steps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def seeds(
    model: nn.Module | None, data: Any = None, *, values: Mapping[str, Any] | None = None, **metrics: float
) -> list[Trained]:
    """Return three runs of one model, whose metrics differ a little from seed to seed: bleu=20.0 or loss=3.0."""
    weights = 0 if model is None else sum(weight.numel() for weight in model.parameters())
    return [
        Trained(
            seed=seed, values=values or {}, parameters=weights, flops=1e6,
            metrics={f"test/{name}": value * (1 + 0.001 * (seed - 1)) for name, value in metrics.items()},
            curve=[{"samples": 100.0 * step, "val/loss": 3.0 - step + 0.1 * seed} for step in range(3)],
            scores={}, open_data=lambda: data, load=lambda: model,  # type: ignore[arg-type, return-value]
        )
        for seed in range(3)
    ]  # fmt: skip


def settings(finding: str) -> dict[str, Any]:
    """Return the settings of a finding's measurement, as `--quick` takes them."""
    conf = yaml.safe_load((CONF / "finding" / f"{finding}.yaml").read_text())
    return {key: value for key, value in (conf["measure"] | conf.get("quick", {})).items() if key != "_target_"}


def found(finding: str, measured: Measured) -> Verdict:
    """Return the verdict of a finding's rule, with 95 % intervals."""
    rule = yaml.safe_load((CONF / "finding" / f"{finding}.yaml").read_text())["rule"]
    intervals = {}
    for name, number in measured.numbers.items():
        values = np.asarray(number.values, dtype=float)
        chance = chance_of(values.reshape(len(values), -1).mean(1).tolist(), values if values.ndim == 2 else None)
        reach = chance.reach(0.95) if chance.variance > 0 else 0.0
        intervals[name] = (float(values.mean()) - reach, float(values.mean()) + reach)
    return verdict([Condition(**condition) for condition in rule], intervals)
