"""Small real data, small real nets, and the verdict that a finding's own rule gives."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from running import recipe
from torch import nn

from quartet.data import DataModule, SentencePairs, TextFiles, prepare
from quartet.findings import Condition, Measured, Trained, Verdict, verdict
from quartet.findings.recurrence.sentences import Triple
from quartet.report.chance.chance import chance_of
from quartet_app.config.project import CONF

CONTEXT = 32
SUBJECTS = ("the cat", "the old dog", "a bird", "my lord")
DEEDS = ("eats", "sees", "follows", "hears")
OBJECTS = ("the fish", "a green tree", "the king", "no one")


def text_data(folder: Path, text: str) -> DataModule:
    """Prepare a text of one's own, by characters; a tenth each is for validation and test."""
    (folder / "text").mkdir(parents=True)
    (folder / "text" / "all.txt").write_text(text, encoding="utf-8")
    source = TextFiles(
        folder=str(folder / "text"), pattern="*.txt", tokenizer="character", vocabulary=64, validation=0.1, test=0.1
    )
    prepared = prepare(name="own", source=source, recipe={}, root=folder / "data", downloads=folder / "downloads")
    return DataModule(folder=prepared, batch_size=16, evaluation_batch_size=16, context=CONTEXT)


def story(sentences: int = 1200) -> str:
    """Sentences of few words, drawn: what comes next depends on more than a few characters."""
    draw = random.Random(0)
    parts = [f"{draw.choice(SUBJECTS)} {draw.choice(DEEDS)} {draw.choice(OBJECTS)}.\n" for _ in range(sentences)]
    return "".join(parts)


def pairs_data(folder: Path, triples: Sequence[Triple]) -> DataModule:
    """Prepare the triples' sentences as pairs with themselves."""
    (folder / "pairs").mkdir(parents=True)
    lines = "\n".join(dict.fromkeys(text for triple in triples for text in triple[:3])) + "\n"
    for ending in ("en", "de"):
        (folder / "pairs" / f"corpus.{ending}").write_text(lines, encoding="utf-8")
    source = SentencePairs(
        folder=str(folder / "pairs"), source="en", target="de", vocabulary=500, least_words=1, most_words=40,
        validation=0.1, test=0.1, seed=0,
    )  # fmt: skip
    prepared = prepare(name="own", source=source, recipe={}, root=folder / "data", downloads=folder / "downloads")
    return DataModule(folder=prepared, batch_size=512, evaluation_batch_size=512)


def language_model(data: DataModule, family: str, *, seed: int = 0, **changes: Any) -> Any:
    """A fresh language model of a shipped family, small by `changes`."""
    torch.manual_seed(seed)
    return recipe(family, **{"dropout": 0.0, "layers": 1, "width": 24, **changes}).language_model(data.inputs)


def learn(model: Any, data: DataModule, *, steps: int, lr: float = 0.01) -> Any:
    """Train a language model for some steps."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _, batch in zip(range(steps), data.batches("train"), strict=False):
        logits_NLV, _ = model(batch["tokens"][:, :-1])
        loss = F.cross_entropy(logits_NLV.flatten(0, 1), batch["tokens"][:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def run(model: nn.Module, data: Any, *, seed: int = 0) -> Trained:
    """A finished run of the model."""
    return Trained(
        seed=seed, values={}, parameters=sum(part.numel() for part in model.parameters()), flops=1.0, metrics={},
        curve=[{"samples": 16.0 * i, "val/bits_per_character": 3.0 / i} for i in (1, 2)], scores={},
        open_data=lambda: data, load=lambda: model,
    )  # fmt: skip


def runs(make: Callable[[int], nn.Module], data: Any, *, seeds: int = 3) -> list[Trained]:
    """A run a seed, of the model that `make` makes for it."""
    return [run(make(seed), data, seed=seed) for seed in range(seeds)]


def ruled(finding: str, measured: Measured) -> Verdict:
    """The verdict of the rule in conf/finding on the intervals of the numbers, 95 % over seeds and examples."""
    settings = yaml.safe_load((CONF / "finding" / f"{finding}.yaml").read_text(encoding="utf-8"))
    assert settings["headline"] in measured.numbers
    conditions = [Condition(**one) for one in settings["rule"]]
    return verdict(conditions, {one.number: interval(measured, one.number) for one in conditions})


def interval(measured: Measured, name: str) -> tuple[float, float]:
    """The 95 % interval of a number."""
    values = np.asarray(measured.numbers[name].values, dtype=float)
    assert np.isfinite(values).all()
    each = values if values.ndim == 1 else values.mean(1)
    chance = chance_of(each.tolist(), None if values.ndim == 1 else values)
    reach = chance.reach(0.95) if chance.variance > 0 else 0.0
    return each.mean() - reach, each.mean() + reach


def same(first: Measured, second: Measured, names: Mapping[str, Any] | None = None) -> None:
    """Check that two measurements gave the same numbers to the bit, the same texts, and figures that can be drawn."""
    for name in names or first.numbers:
        assert np.array_equal(first.numbers[name].values, second.numbers[name].values), name
    assert first.texts == second.texts
    assert list(first.figures) == list(second.figures)
    for figure in first.figures.values():
        figure.canvas.draw()
