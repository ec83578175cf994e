"""Classification: images, series or texts, with one label each.

Shapes: B batch, K classes, H height, W width, C channels, L length, O kernels, N bins, M mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.tasks.examples import EXAMPLES, example_arrays
from quartet.tasks.task import Batch, Progress, Sums, Task, add, at_least_float, split_batches
from quartet.types import Evidence, Pixels

BINS = 15  # bins of confidence, as in Guo et al. 2017
MAPPED = 2  # test images whose feature maps the report shows


class Classify(Task):
    """Cross-entropy and accuracy.

    Args:
        label_smoothing: the share of each training target that is spread over all classes (Szegedy et al. 2016).
        mistakes: how many wrong answers an evaluation keeps: the most confident.
    """

    ACCEPTS = ("images", "series", "labelled_text")
    ROLE = "classify"
    METHOD = "supervised"
    MONITOR = "accuracy"
    MODE = "max"

    def __init__(self, *, label_smoothing: float, mistakes: int) -> None:
        self.label_smoothing = label_smoothing
        self.mistakes = mistakes

    def build(self, net: Any, data: Any) -> nn.Module:
        return net.classifier(data.inputs, data.outputs)

    def facts(self, data: Any) -> dict[str, Any]:
        return {"inputs": data.inputs, "outputs": data.outputs, "tokenizer": data.kind.tokenizer}

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        logits_BK = at_least_float(model(batch["x"]))
        return F.cross_entropy(logits_BK, batch["y"], reduction="sum", label_smoothing=self.label_smoothing)

    @torch.no_grad()
    def measure(self, model: nn.Module, batch: Batch) -> Sums:
        return classification_sums(model(batch["x"]), batch["y"])

    def summarize(self, sums: Sums) -> dict[str, float]:
        """Return `loss` (nats, without label smoothing), `accuracy`, `balanced_accuracy` (mean recall of the classes
        that occur), `macro_f1` (their mean F1) and `calibration_error` (mean distance of confidence and accuracy, Guo
        et al. 2017)."""
        confusion_KK, count = sums["confusion"], sums["confusion"].sum()
        of_class_K = confusion_KK.sum(1)
        recall_K = confusion_KK.diagonal() / of_class_K
        f1_K = 2 * confusion_KK.diagonal() / (of_class_K + confusion_KK.sum(0))
        examples_N, confidence_N, correct_N = sums["calibration"].unbind(1)
        return {
            "loss": (sums["loss"] / count).item(),
            "accuracy": (confusion_KK.diagonal().sum() / count).item(),
            "balanced_accuracy": recall_K[of_class_K > 0].mean().item(),
            "macro_f1": f1_K[of_class_K > 0].mean().item(),
            "calibration_error": ((confidence_N - correct_N).abs().sum() / examples_N.sum()).item(),
        }

    def metrics_of(self, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `accuracy` and `loss` from sums over examples."""
        return {"accuracy": sums["right"] / sums[EXAMPLES], "loss": sums["loss"] / sums[EXAMPLES]}

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
        wrong: dict[str, Tensor] = {}
        counts: dict[str, list[Tensor]] = {"right": [], "loss": []}
        first = None
        for batch in split_batches(data, split, what="classify", device=device, progress=progress):
            logits_BK = at_least_float(model(batch["x"]))
            sums = add(sums, classification_sums(logits_BK, batch["y"]))
            for name, value_B in classification_counts(logits_BK, batch["y"]).items():
                counts[name].append(value_B)
            wrong = worst(wrong, mistakes_of(logits_BK, batch["y"], batch["index"]), keep=self.mistakes)
            first = batch["x"][:MAPPED] if first is None else first
        names = list(data.outputs.names)
        arrays = {f"mistakes_{name}": value.cpu().numpy() for name, value in wrong.items()}
        mistaken = data.gather(split, arrays["mistakes_index"])
        words = data.kind.words(mistaken)
        arrays |= {"mistakes_x": mistaken["x"].numpy()} if words is None else {}
        arrays |= {"confusion": sums["confusion"].long().cpu().numpy(), "calibration": calibration(sums["calibration"])}
        arrays |= example_arrays(self, {name: torch.cat(parts).cpu().numpy() for name, parts in counts.items()})
        if first is not None:
            arrays |= first_layer(model, first, data.inputs)
        told = {} if words is None else {"mistakes": words}
        texts = {"classes": names, **per_class(sums["confusion"], names), **told}
        return Evidence(self.summarize(sums), arrays, texts)

    def guess(self, data: Any, evidence: Evidence, *, split: str = "test") -> dict[str, Any] | None:
        """Return the accuracy of logistic regression on bags of words; None for examples that are no texts."""
        given = {part: texts_of(data, part) for part in ("train", "val", split)}
        texts = {part: (words, y) for part, (words, y) in given.items() if words is not None}
        if len(texts) < len(given):
            return None
        from quartet.tasks.bag_of_words import accuracy

        value = accuracy(texts["train"], texts["val"], texts[split])
        by = "a logistic regression on bags of words"
        return None if value is None else {"metric": "accuracy", "value": value, "by": by}


def classification_sums(logits_BK: Tensor, y_B: Tensor) -> Sums:
    """Return sums of the loss, the confusions [true, predicted], and (examples, confidence, correct) for each bin."""
    logits_BK = logits_BK.double()
    classes = logits_BK.shape[1]
    confidence_B, predicted_B = logits_BK.softmax(1).max(1)
    one_B = torch.ones_like(confidence_B)
    confusion = one_B.new_zeros(classes * classes).index_add(0, y_B * classes + predicted_B, one_B)
    bin_B = (confidence_B * BINS).long().clamp(max=BINS - 1)
    rows_B3 = torch.stack((one_B, confidence_B, (predicted_B == y_B).double()), 1)
    return {
        "loss": F.cross_entropy(logits_BK, y_B, reduction="sum"),
        "confusion": confusion.view(classes, classes),
        "calibration": one_B.new_zeros(BINS, 3).index_add(0, bin_B, rows_B3),
    }


def classification_counts(logits_BK: Tensor, y_B: Tensor) -> dict[str, Tensor]:
    """Return for each example whether it is right, uint8 (B,), and its loss, float32 (B,)."""
    logits_BK = logits_BK.double()
    _, predicted_B = logits_BK.softmax(1).max(1)
    return {
        "right": (predicted_B == y_B).to(torch.uint8),
        "loss": F.cross_entropy(logits_BK, y_B, reduction="none").float(),
    }


def texts_of(data: Any, split: str) -> tuple[list[str] | None, list[int]]:
    """Return the texts and labels of a split, of training those in use; None for examples that are no texts."""
    batches = data.batches(split)
    words: list[str] = []
    labels: list[int] = []
    for batch in islice(batches, batches.per_epoch):
        if (found := data.kind.words(batch)) is None:
            return None, []
        words += found
        labels += batch["y"].tolist()
    return words[: data.examples[split]], labels[: data.examples[split]]


def mistakes_of(logits_BK: Tensor, y_B: Tensor, index_B: Tensor) -> dict[str, Tensor]:
    """Return the misclassified examples of a batch; `index_B` are their places in the split."""
    confidence_B, predicted_B = logits_BK.softmax(1).max(1)
    (wrong_M,) = (predicted_B != y_B).nonzero(as_tuple=True)
    values = {"true": y_B, "predicted": predicted_B, "confidence": confidence_B.float(), "index": index_B}
    return {name: value[wrong_M] for name, value in values.items()}


def worst(mistakes: dict[str, Tensor], more: dict[str, Tensor], *, keep: int) -> dict[str, Tensor]:
    """Return the `keep` most confident mistakes of two sets, in descending order of confidence."""
    both = {name: torch.cat((mistakes[name], more[name])) for name in more} if mistakes else more
    order_M = both["confidence"].argsort(descending=True, stable=True)[:keep]
    return {name: value[order_M] for name, value in both.items()}


def calibration(sums_N3: Tensor) -> np.ndarray:
    """Return (examples, mean confidence, accuracy) for each bin; zeros for an empty bin."""
    examples_N1 = sums_N3[:, :1]
    return torch.cat((examples_N1, sums_N3[:, 1:] / examples_N1.clamp(min=1)), 1).cpu().numpy()


def per_class(confusion_KK: Tensor, names: list[str]) -> dict[str, dict[str, float]]:
    """Return recall and precision by class name; 0 for a class that never occurs or is never predicted."""
    right_K = confusion_KK.diagonal()
    quotients = {
        "recall": right_K / confusion_KK.sum(1).clamp(min=1),
        "precision": right_K / confusion_KK.sum(0).clamp(min=1),
    }
    return {name: dict(zip(names, value.tolist(), strict=True)) for name, value in quotients.items()}


def first_layer(model: nn.Module, x: Tensor, inputs: Any) -> dict[str, np.ndarray]:
    """Return the first layer's kernels (O, C, H, W), if the model has any, and their feature maps of the images `x`."""
    kernels_OCHW = getattr(model, "kernels", None)
    if kernels_OCHW is None:
        return {}
    arrays = {"kernels": kernels_OCHW.detach().float().cpu().numpy()}
    if isinstance(inputs, Pixels) and kernels_OCHW.shape[1] == inputs.channels:
        mean_C, std_C = (torch.tensor(value, device=x.device) for value in (inputs.mean, inputs.std))
        x_BCHW = ((x.float() - mean_C) / std_C).permute(0, 3, 1, 2)
        maps_BOHW = F.conv2d(x_BCHW, kernels_OCHW.detach().float(), padding="same")
        arrays |= {"maps": maps_BOHW.cpu().numpy(), "maps_x": x.cpu().numpy()}
    return arrays
