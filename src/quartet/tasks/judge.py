"""A frozen classifier that judges images: it returns sums of features, classes and right answers.

Shapes: B batch, H height, W width, C channels, D features, K classes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quartet.tasks.fid import feature_sums
from quartet.tasks.task import Sums
from quartet.types import Pixels, QuartetError


class Judge:
    """A trained classifier that judges real and generated images in the same way.

    Args:
        model: `features(x_BHWC in 0..255)` gives f_BD, `forward` logits_BK. If a linear `head` maps one to the other,
            it saves half of the work.
    """

    def __init__(self, *, model: nn.Module) -> None:
        self.model: Any = model.eval().requires_grad_(False)
        self.digest: str | None = getattr(model, "digest", None)
        self.shape: tuple[int, ...] = getattr(model, "shape", ())
        self.names: tuple[str, ...] = getattr(model, "names", ())

    def check(self, pixels: Pixels) -> None:
        """Raise QuartetError for images of another shape than the judge's, if it names its shape."""
        shape = (pixels.height, pixels.width, pixels.channels)
        if self.shape and self.shape != shape:
            mine, theirs = ("×".join(map(str, each)) for each in (self.shape, shape))
            raise QuartetError(
                f"task.judge: it judges images of {mine}, but the data has images of {theirs}\n"
                "train a classifier of such images and name it in task.judge, or resize the data"
            )

    def features_and_logits(self, x_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        """Return features_BD and logits_BK, never in half precision: a distance must not depend on the trainer."""
        self.model.to(x_BHWC.device)
        with torch.autocast(x_BHWC.device.type, enabled=False):
            features_BD = self.model.features(x_BHWC)
            head = getattr(self.model, "head", None)
            return features_BD, self.model(x_BHWC) if head is None else head(features_BD)

    def sums(self, x_BHWC: Tensor, *, counts_B: Tensor, y_B: Tensor | None = None) -> Sums:
        """Return sums over the images whose `counts_B` is 1: number, features, products, classes; `right` if given
        `y_B`."""
        features_BD, logits_BK = self.features_and_logits(x_BHWC)
        counts_B = counts_B.to(features_BD.device, torch.float64)
        predicted_B = logits_BK.argmax(1)
        # 0 and 1 are their own squares: products of weighted features are weighted products.
        _, sum_D, products_DD = feature_sums(features_BD.double() * counts_B[:, None])
        classes_BK = F.one_hot(predicted_B, logits_BK.shape[1]) * counts_B[:, None]
        sums = {"count": counts_B.sum(), "features": sum_D, "products": products_DD, "classes": classes_BK.sum(0)}
        return sums if y_B is None else sums | {"right": ((predicted_B == y_B) * counts_B).sum()}
