"""Translation: pairs of sentences in two languages.

Shapes: B batch, S source, T target, V vocabulary, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.tasks.decoding import beam_search, greedy_search
from quartet.tasks.examples import example_arrays
from quartet.tasks.scores import bleu_of, chrf_of, score_translations
from quartet.tasks.task import Batch, Progress, Sums, Task, add, at_least_float, split_batches
from quartet.types import BOS, PAD, Evidence, QuartetError

ATTENDED = 3  # sentences whose attention an evaluation keeps
Ids = list[int]


class Translate(Task):
    """Cross-entropy of the target's tokens; translations by beam search, scored by sacrebleu.

    Args:
        label_smoothing: the share of each training target spread over the vocabulary (Szegedy et al. 2016).
        num_beams: hypotheses per sentence.
        length_penalty: exponent alpha of Wu et al. 2016; higher favours longer translations, 0 switches it off.
        max_ratio, max_extra: a translation holds at most max_ratio × the source's tokens + max_extra tokens.
        sentences: how many sentences the search handles at once.
        samples: how many translations an evaluation shows: the first of a permutation of the split, drawn by `seed`.
    """

    ACCEPTS = ("pairs",)
    ROLE = "translate"
    METHOD = "supervised"
    MONITOR = "loss"
    MODE = "min"

    def __init__(
        self,
        *,
        label_smoothing: float,
        num_beams: int,
        length_penalty: float,
        max_ratio: float,
        max_extra: int,
        sentences: int,
        samples: int,
        seed: int,
    ) -> None:
        if num_beams < 1 or length_penalty < 0 or sentences < 1:
            raise QuartetError(
                f"task: num_beams={num_beams}, length_penalty={length_penalty}, sentences={sentences}: "
                "num_beams and sentences are at least 1, length_penalty at least 0"
            )
        self.label_smoothing, self.num_beams, self.length_penalty = label_smoothing, num_beams, length_penalty
        self.max_ratio, self.max_extra, self.sentences = max_ratio, max_extra, sentences
        self.samples, self.seed = samples, seed

    def build(self, net: Any, data: Any) -> nn.Module:
        return net.translator(data.inputs)

    def facts(self, data: Any) -> dict[str, Any]:
        """Return the keywords of the role's `describe`; `params` are this task's search settings."""
        params = {name: getattr(self, name) for name in ("num_beams", "length_penalty", "max_ratio", "max_extra")}
        return {"outputs": data.outputs, "tokenizer": data.kind.tokenizer, "params": params}

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        logits_BTV = at_least_float(model(batch["source"], batch["target"][:, :-1]))
        return F.cross_entropy(
            logits_BTV.flatten(0, 1),
            batch["target"][:, 1:].flatten(),
            ignore_index=PAD,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )

    @torch.no_grad()
    def measure(self, model: nn.Module, batch: Batch) -> Sums:
        target_BT = batch["target"][:, 1:]
        logits_BTV = at_least_float(model(batch["source"], batch["target"][:, :-1]))
        losses = F.cross_entropy(logits_BTV.flatten(0, 1), target_BT.flatten(), ignore_index=PAD, reduction="none")
        scored_BT = target_BT != PAD
        right_BT = (logits_BTV.argmax(-1) == target_BT) & scored_BT
        return {"loss": losses.double().sum(), "tokens": scored_BT.sum().double(), "right": right_BT.sum().double()}

    def summarize(self, sums: Sums) -> dict[str, float]:
        """Return `loss` (nats per target token, EOS included, without label smoothing), `perplexity` and
        `token_accuracy`. The model sees the true preceding tokens for all three."""
        loss = (sums["loss"] / sums["tokens"]).item()
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "token_accuracy": (sums["right"] / sums["tokens"]).item(),
        }

    def metrics_of(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `bleu` and `chrf` from sacrebleu's counts, summed over sentences."""
        return {"bleu": bleu_of(sums["bleu"]), "chrf": chrf_of(sums["chrf"])}

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
        rows: list[tuple[Ids, Ids, int]] = []
        for batch in split_batches(data, split, what="read", device=device, progress=progress):
            sums = add(sums, self.measure(model, batch))
            rows += zip(unpadded(batch["source"]), unpadded(batch["target"]), batch["index"].tolist(), strict=True)
        # Choose the sentences to show before the search, from an order that does not depend on batches.
        rows.sort()
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(self.seed)).tolist()
        sources = [source for source, _, _ in rows]
        found = {
            name: self.translate(model, sources, beam=beam, device=device, what=f"{name} search", progress=progress)
            for name, beam in (("greedy", 0), ("beam", self.num_beams))
        }
        return self.report(model, data, rows, found, self.summarize(sums), order[: self.samples], device=device)

    def guess(self, data: Any, evidence: Evidence, *, split: str = "test") -> dict[str, Any]:
        """Return the BLEU of each source as its own translation."""
        decode = data.tokenizer.decode
        sources, targets = (
            [decode(row) for batch in data.batches(split) for row in unpadded(batch[side])]
            for side in ("source", "target")
        )
        return {"metric": "bleu", "value": score_translations(sources, targets).bleu, "by": "the source, copied"}

    def translate(
        self,
        model: nn.Module,
        sources: list[Ids],
        *,
        beam: int,
        device: torch.device,
        what: str = "search",
        progress: Progress | None = None,
    ) -> list[Ids]:
        """Return the translations of `sources` (which end with EOS), without BOS and EOS; greedy if `beam` is 0."""
        # Longest first: similar lengths need little padding, and a lack of memory shows at once.
        order = sorted(range(len(sources)), key=lambda i: len(sources[i]), reverse=True)
        texts: list[Ids] = [[] for _ in sources]
        for start in range(0, len(order), self.sentences):
            chosen = order[start : start + self.sentences]
            source_BS = padded([sources[i] for i in chosen]).to(device)
            limits = [math.ceil(self.max_ratio * len(sources[i])) + self.max_extra for i in chosen]
            limit_B = torch.tensor(limits, device=device)
            if (longest := getattr(model, "longest", None)) is not None:  # learned positions end there
                limit_B = limit_B.clamp(max=longest)
            if beam:
                found, _ = beam_search(model, source_BS, limit_B=limit_B, beam=beam, length_penalty=self.length_penalty)
            else:
                found = greedy_search(model, source_BS, limit_B=limit_B)
            for i, text in zip(chosen, found, strict=True):
                texts[i] = text
            if progress is not None:
                progress(what, min(start + self.sentences, len(order)), len(order))
        return texts

    def report(
        self,
        model: nn.Module,
        data: Any,
        rows: list[tuple[Ids, Ids, int]],
        found: dict[str, list[Ids]],
        metrics: dict[str, float],
        shown: list[int],
        *,
        device: torch.device,
    ) -> Evidence:
        """Return scores of the translations, and the sentences `shown` with their attention.

        `rows` are source, target and place in the split of each sentence that was `found`.
        """
        decode = data.tokenizer.decode
        references = [decode(target[1:-1]) for _, target, _ in rows]
        texts = {name: [decode(ids) for ids in each] for name, each in found.items()}
        beam, greedy = (score_translations(texts[name], references) for name in ("beam", "greedy"))
        written, due = sum(map(len, found["beam"])), sum(len(target) - 2 for _, target, _ in rows)
        metrics |= {"bleu": beam.bleu, "chrf": beam.chrf, "bleu_greedy": greedy.bleu, "chrf_greedy": greedy.chrf}
        metrics["length_ratio"] = written / due
        in_order = np.argsort([place for _, _, place in rows])
        arrays, labels = example_arrays(self, {name: count[in_order] for name, count in beam.counts.items()}), []
        for number, i in enumerate(shown[:ATTENDED]):
            source, text = rows[i][0], found["beam"][i]
            arrays[f"attention_{number}"] = attention_of(model, source, text, device=device)
            names = ([decode([token]) for token in source[:-1]], [decode([token]) for token in text])
            labels.append({"source_tokens": [*names[0], "⟨end⟩"], "target_tokens": [*names[1], "⟨end⟩"]})
        translations = [
            {"source": decode(rows[i][0][:-1]), "reference": references[i]} | {name: texts[name][i] for name in texts}
            for i in shown
        ]
        search = {"beam": self.num_beams, "length_penalty": self.length_penalty, "sentences": len(rows)}
        evidence = {"translations": translations, "attention": labels, "search": {**search, "seed": self.seed}}
        evidence |= {"bleu_signature": beam.bleu_signature, "chrf_signature": beam.chrf_signature}
        return Evidence(metrics, arrays, evidence)


def padded(rows: list[Ids]) -> Tensor:
    """Return rows of ids as one tensor, padded with PAD."""
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


def unpadded(tokens_BL: Tensor) -> list[Ids]:
    """Return the rows of a tensor without PAD."""
    return [row[:length] for row, length in zip(tokens_BL.tolist(), (tokens_BL != PAD).sum(1).tolist(), strict=True)]


def attention_of(model: Any, source: Ids, text: Ids, *, device: torch.device) -> np.ndarray:
    """Return attention (H, T, S): row t holds the weights with which the net wrote token t; the last row is EOS."""
    source_1S, target_1T = (torch.tensor([row], device=device) for row in (source, [BOS, *text]))
    return model.attention(source_1S, target_1T)[0].float().cpu().numpy()
