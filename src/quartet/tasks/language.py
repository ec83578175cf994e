"""Language modelling: predict the next token of a text.

Shapes: B batch, L length, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.tasks.decoding import write_on
from quartet.tasks.examples import example_arrays
from quartet.tasks.task import Batch, Progress, Sums, Task, add, at_least_float, split_batches
from quartet.types import Evidence, QuartetError

IGNORED = -100  # a target that cross_entropy ignores
OPENINGS, OPENING_WORDS, OPENING_CHARACTERS = 4, 4, 40


class Language(Task):
    """Next-token cross-entropy, and texts that continue prompts.

    Args:
        prompts: beginnings that an evaluation continues; None takes some from the evaluated split.
        tokens: how many tokens to add to each prompt.
        temperature: divides the logits before sampling; 0 takes the likeliest token.
        top_p: sample from the smallest set of tokens with at least this probability; 1.0 for all.
        seed: seed of the sampling.
    """

    ACCEPTS = ("text",)
    ROLE = "language"
    METHOD = "supervised"
    MONITOR = "loss"
    MODE = "min"

    def __init__(self, *, prompts: list[str] | None, tokens: int, temperature: float, top_p: float, seed: int) -> None:
        if temperature < 0 or not 0 < top_p <= 1 or tokens < 1:
            raise QuartetError(
                f"task: temperature={temperature}, top_p={top_p}, tokens={tokens}: "
                "temperature is at least 0, top_p above 0 and at most 1, tokens at least 1"
            )
        self.prompts, self.tokens, self.seed = prompts, tokens, seed
        self.temperature, self.top_p = temperature, top_p
        self.lengths_V = torch.zeros(0)

    def build(self, net: Any, data: Any) -> nn.Module:
        self.lengths_V = token_lengths(data.tokenizer, data.inputs.vocabulary)
        return net.language_model(data.inputs)

    def facts(self, data: Any) -> dict[str, Any]:
        """Return the keywords of the role's `describe`; `params` are this task's sampling settings."""
        params = {name: getattr(self, name) for name in ("tokens", "temperature", "top_p", "seed")}
        return {"outputs": data.outputs, "tokenizer": data.kind.tokenizer, "params": params}

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return token_losses(model, batch).sum()

    @torch.no_grad()
    def measure(self, model: nn.Module, batch: Batch) -> Sums:
        return self.sums_of(token_losses(model, batch), batch)

    def sums_of(self, losses: Tensor, batch: Batch) -> Sums:
        """Return the sums over a batch from the losses of its targets, (B × L,)."""
        loss, scored = losses.double().sum(), batch["scored"]
        self.lengths_V = self.lengths_V.to(scored.device)
        characters = self.lengths_V[batch["tokens"][:, 1:][scored]].sum()
        return {"loss": loss, "tokens": scored.sum().double(), "characters": characters}

    def counts_of(self, losses: Tensor, batch: Batch) -> Sums:
        """Return the loss (nats), the tokens and the characters of each window's scored targets, (B,)."""
        scored_BL = batch["scored"]
        characters_BL = self.lengths_V[batch["tokens"][:, 1:]] * scored_BL
        loss_B = losses.double().view_as(scored_BL).sum(1).float()
        return {"loss": loss_B, "tokens": scored_BL.sum(1).int(), "characters": characters_BL.sum(1).int()}

    def summarize(self, sums: Sums) -> dict[str, float]:
        """Return `loss` (nats per token), `perplexity` (per token) and `bits_per_character`. The last counts the
        characters of the scored tokens, so that different tokenizers compare."""
        loss = (sums["loss"] / sums["tokens"]).item()
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "bits_per_character": (sums["loss"] / math.log(2) / sums["characters"]).item(),
        }

    def metrics_of(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `loss` and `bits_per_character` from sums over windows of the text."""
        bits = sums["loss"] / math.log(2)
        return {"loss": sums["loss"] / sums["tokens"], "bits_per_character": bits / sums["characters"]}

    @torch.no_grad()
    def evaluate(
        self,
        model: nn.Module,
        data: Any,
        *,
        split: str = "test",
        device: torch.device,
        progress: Progress | None = None,
    ) -> Evidence:
        model.to(device).eval()
        sums: Sums = {}
        counts: dict[str, list[Tensor]] = {}
        for batch in split_batches(data, split, what="read", device=device, progress=progress):
            losses = token_losses(model, batch)
            sums = add(sums, self.sums_of(losses, batch))
            for name, value_B in self.counts_of(losses, batch).items():
                counts.setdefault(name, []).append(value_B)
        # The manifest counts characters exactly, even if several byte tokens make one character.
        if data.manifest.get("tokens", {}).get(split) == int(sums["tokens"]):
            sums["characters"] = sums["characters"].new_tensor(float(data.manifest["characters"][split]))
        beginnings = openings(data, split) if self.prompts is None else self.prompts
        texts = {
            "completions": self.completions(model, data, beginnings, device=device),
            "sampling": {name: getattr(self, name) for name in ("temperature", "top_p", "tokens", "seed")},
            "characters": int(sums["characters"]),
            "scored_tokens": int(sums["tokens"]),
        }
        arrays = example_arrays(self, {name: torch.cat(parts).cpu().numpy() for name, parts in counts.items()})
        return Evidence(self.summarize(sums), arrays, texts)

    def guess(self, data: Any, evidence: Evidence, *, split: str = "test") -> dict[str, Any]:
        """Return the bits per character of a guess by the tokens' frequencies in training, each counted once more."""
        training = islice(data.batches("train"), data.per_epoch)
        seen_V = 1 + scored_tokens(training, vocabulary=data.inputs.vocabulary)
        due_V = scored_tokens(data.batches(split), vocabulary=data.inputs.vocabulary)
        bits = (due_V * (seen_V.sum() / seen_V).log2()).sum() / evidence.texts["characters"]
        return {"metric": "bits_per_character", "value": bits.item(), "by": "the frequency of each token alone"}

    def completions(
        self, model: nn.Module, data: Any, beginnings: Sequence[str], *, device: torch.device
    ) -> list[dict[str, str]]:
        """Return the model's continuation of each of `beginnings`."""
        prompts = [data.tokenizer.encode(beginning) for beginning in beginnings]
        continued = write_on(
            model,
            prompts,
            tokens=self.tokens,
            context=data.inputs.context,
            temperature=self.temperature,
            top_p=self.top_p,
            generator=torch.Generator().manual_seed(self.seed),
            device=device,
        )
        # Decode prompt and continuation together: a space or a character may lie across the boundary.
        texts = [data.tokenizer.decode([*prompt, *tokens]) for prompt, tokens in zip(prompts, continued, strict=True)]
        starts = [len(data.tokenizer.decode(prompt)) for prompt in prompts]
        return [
            {"prompt": prompt, "continuation": text[start:]}
            for prompt, text, start in zip(beginnings, texts, starts, strict=True)
        ]


def openings(data: Any, split: str) -> list[str]:
    """Return a few words from up to `OPENINGS` places of a split, as prompts in the language of the text."""
    batch = next(iter(data.batches(split)))
    rows = batch["tokens"][:: max(1, len(batch["tokens"]) // OPENINGS)][:OPENINGS]
    found = []
    for row in rows:
        text = data.tokenizer.decode(row.tolist()).strip()
        words = text.split()[1 : 1 + OPENING_WORDS]  # the first may be only the end of a word
        found.append(" ".join(words)[:OPENING_CHARACTERS] or text[:OPENING_CHARACTERS])
    return list(dict.fromkeys(filter(None, found)))


def scored_tokens(batches: Iterable[Batch], *, vocabulary: int) -> Tensor:
    """Return how often each token is a scored target, (V,) float64."""
    count_V = torch.zeros(vocabulary, dtype=torch.float64)
    for batch in batches:
        count_V += batch["tokens"][:, 1:][batch["scored"]].bincount(minlength=vocabulary)
    return count_V


def token_losses(model: nn.Module, batch: Batch) -> Tensor:
    """Return -log p of each target, nats, (B × L,); 0 if the target is not scored."""
    tokens_BL, target_BL = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
    logits_BLV, _ = model(tokens_BL)
    target_BL = target_BL.masked_fill(~batch["scored"], IGNORED)
    return F.cross_entropy(
        at_least_float(logits_BLV).flatten(0, 1), target_BL.flatten(), reduction="none", ignore_index=IGNORED
    )


def token_lengths(tokenizer: Any, vocabulary: int) -> Tensor:
    """Return the number of characters of each token, (V,) float64; a token of a character's part counts as 1.

    Each token is decoded between two others: some tokenizers drop the leading space of a text's first token.
    """
    anchor = tokenizer.encode("a")[-1:]
    alone = len(tokenizer.decode([*anchor, *anchor]))
    lengths = [len(tokenizer.decode([*anchor, token, *anchor])) - alone for token in range(vocabulary)]
    return torch.tensor(lengths, dtype=torch.float64)
