"""The role `generate`: noise to images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartet.roles.role import Described, Load, Role
from quartet.roles.shapes import say, spec_of
from quartet.types import Pixels, QuartetError

if TYPE_CHECKING:
    import argparse

    from torch import nn


class Generate(Role):
    """Generate images, and write them as one picture."""

    HELP = "a grid of new images"
    SCRIPT = "quartet.serving.generate"
    PREDICTOR = "Generator"
    PART, BESIDE = "generator", "discriminator."

    def describe(self, *, outputs: Pixels, latent_dim: int) -> dict[str, Any]:  # type: ignore[override]
        return {"latent_dim": latent_dim, "shape": list(outputs.shape), "outputs": asdict(outputs)}

    def rebuild(self, net: Any, described: Described) -> nn.Module:
        return net.generator(described["latent_dim"], spec_of(described["outputs"]))  # type: ignore[no-any-return]

    def programs(self, model: nn.Module) -> dict[str, nn.Module]:
        return {"generate": model}

    def examples(
        self, programs: Mapping[str, nn.Module], described: Described, *, batch: int, length: int
    ) -> dict[str, tuple[Any, ...]]:
        import torch

        draw = torch.Generator().manual_seed(0)
        return {"generate": (torch.randn(batch, described["latent_dim"], generator=draw),)}

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("out", type=Path, help="the .png to write")
        parser.add_argument("--count", type=int, default=64)
        parser.add_argument("--seed", type=int, default=0)

    def answer(self, chosen: argparse.Namespace, load: Load) -> None:
        import numpy as np

        if not chosen.out.parent.is_dir() or chosen.out.suffix.lower() != ".png":
            raise QuartetError(f"{chosen.out}: give the name of a .png in an existing folder")
        predictor, known = load()
        images = predictor.predict(None, np.array([chosen.count]), {"seed": chosen.seed})
        grid(images).save(chosen.out)
        if chosen.json:
            say({"file": str(chosen.out), "count": chosen.count, "seed": chosen.seed, "model": known["model"]})
        else:
            print(chosen.out)


def grid(images: Any) -> Any:
    """Return images (N, H, W, C) as one picture, nearly square, row by row."""
    import numpy as np
    from PIL import Image

    count, height, width, channels = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    whole = np.zeros((rows * columns, height, width, channels), np.uint8)
    whole[:count] = images
    sheet = whole.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
