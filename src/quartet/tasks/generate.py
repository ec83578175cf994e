"""Image generation: a generator trained against a discriminator.

Shapes: B batch, H height, W width, C channels, Z noise, D features, K classes, N samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from quartet.tasks.adversarial import discriminator_loss, generator_loss
from quartet.tasks.fid import features_of, fid, total_variation_from_uniform
from quartet.tasks.gallery import draw, images_of, interpolation, nearest, to_bytes, to_unit
from quartet.tasks.judge import Judge
from quartet.tasks.noise import content_keys, uniform
from quartet.tasks.task import Batch, Progress, Sums, Task, add
from quartet.tasks.telling_apart import calibration_error, confidence, told_apart
from quartet.types import Evidence, QuartetError

SHOWN, NEIGHBOURS, ROWS, COLUMNS = 64, 8, 8, 10  # images in the report: samples, neighbours, interpolations
CHUNK = 500  # samples judged at a time


class Generate(Task):
    """Fréchet distance in a judge's features, the generated classes, and the discriminator's accuracy.

    In validation, each real image determines the noise of one sample by its content (`quartet.tasks.noise`). Every
    validation judges the same samples, however images are divided among batches and ranks.

    Args:
        latent_dim: size of the generator's input.
        judge: a trained classifier of the same images: `features(x_BHWC in 0..255)` and `forward` to logits_BK.
        samples: about how many real images, and as many samples, a validation judges, chosen by image content.
        test_samples: how many samples an evaluation judges.
    """

    ACCEPTS = ("images",)
    ROLE = "generate"
    METHOD = "adversarial"
    MONITOR = "fid"
    MODE = "min"
    GUESS = ("fid", "fid_untrained", "the generator before its first step")

    def __init__(self, *, latent_dim: int, judge: nn.Module, samples: int, test_samples: int) -> None:
        if latent_dim < 1 or samples < 2 or test_samples < SHOWN:
            raise QuartetError(
                f"task: latent_dim={latent_dim}, samples={samples}, test_samples={test_samples}: "
                f"latent_dim is at least 1, samples 2, test_samples {SHOWN}"
            )
        self.latent_dim, self.samples, self.test_samples = latent_dim, samples, test_samples
        self.judge = Judge(model=judge)
        self.share = 1.0  # share of the validation images to judge
        self.untrained: Callable[[], nn.Module] | None = None

    def build(self, net: Any, data: Any) -> nn.Module:
        """Return the generator, and keep a function that builds it again as it was before its first step."""
        self.judge.check(data.inputs)
        self.share = self.samples / max(1, data.examples["val"])
        state = torch.get_rng_state()

        def untrained() -> nn.Module:
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(state)
                return net.generator(self.latent_dim, data.inputs)

        self.untrained = untrained
        return net.generator(self.latent_dim, data.inputs)

    def build_discriminator(self, net: Any, data: Any) -> nn.Module:
        """Return the discriminator."""
        return net.discriminator(data.inputs)

    def facts(self, data: Any) -> dict[str, Any]:
        return {"outputs": data.inputs, "latent_dim": self.latent_dim}

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Return the sum of both nets' non-saturating losses. The method trains one net at a time instead."""
        fake_BHWC = draw(
            model.generator, content_keys(batch["x"]), latent_dim=self.latent_dim, device=batch["x"].device
        )
        real_B, fake_B = model.discriminator(to_unit(batch["x"])), model.discriminator(fake_BHWC)
        loss = discriminator_loss(real_B, fake_B, kind="non_saturating", label_smoothing=0.0)
        return loss + generator_loss(fake_B, kind="non_saturating")

    def to_unit(self, x: Tensor) -> Tensor:
        """Map bytes 0..255 to floats in [-1, 1]."""
        return to_unit(x)

    @torch.no_grad()
    def measure(self, model: Any, batch: Batch) -> Sums:
        """Return sums over a batch; `model` has both nets, `.generator` and `.discriminator`."""
        keys_B = content_keys(batch["x"])
        chosen_B = uniform(keys_B) < self.share
        passed_B = chosen_B.clone()
        passed_B[0] |= not chosen_B.any()  # nets need a batch: one image goes in and does not count
        x_BHWC, counts_B = batch["x"][passed_B.to(batch["x"].device)], chosen_B[passed_B]
        return self.of_real(model.discriminator, x_BHWC, counts_B=counts_B) | self.of_fake(
            model.discriminator, model.generator, keys_B[passed_B], counts_B=counts_B, device=x_BHWC.device
        )

    def of_real(
        self, discriminator: nn.Module | None, x_BHWC: Tensor, *, counts_B: Tensor, y_B: Tensor | None = None
    ) -> Sums:
        """Return sums over real images: the judge's, and the discriminator's if one is given."""
        judged = self.judge.sums(x_BHWC, counts_B=counts_B, y_B=y_B)
        answers = told_apart(discriminator, to_unit(x_BHWC), counts_B=counts_B, real=True) if discriminator else {}
        return {f"real_{name}": value for name, value in (judged | answers).items()}

    def of_fake(
        self,
        discriminator: nn.Module | None,
        generator: nn.Module,
        keys_B: Tensor,
        *,
        counts_B: Tensor,
        device: torch.device,
    ) -> Sums:
        """Return the same sums over the samples that belong to the keys."""
        fake_BHWC = draw(generator, keys_B, latent_dim=self.latent_dim, device=device)
        judged = self.judge.sums(to_bytes(fake_BHWC), counts_B=counts_B)
        answers = told_apart(discriminator, fake_BHWC, counts_B=counts_B, real=False) if discriminator else {}
        return {f"fake_{name}": value for name, value in (judged | answers).items()}

    def summarize(self, sums: Sums) -> dict[str, float]:
        """Return `fid`; `class_total_variation` of the generated classes from uniform; `discriminator_accuracy`, the
        mean of its accuracies on real and generated images; the mean logits `discriminator_score_…`; how far its
        probabilities are to be believed."""
        accuracy = {which: (sums[f"{which}_told"] / sums[f"{which}_count"]).item() for which in ("real", "fake")}
        score = {which: (sums[f"{which}_score"] / sums[f"{which}_count"]).item() for which in ("real", "fake")}
        return {
            "fid": fid(features_of(sums, "real"), features_of(sums, "fake")),
            "class_total_variation": total_variation_from_uniform(sums["fake_classes"]),
            "discriminator_accuracy": (accuracy["real"] + accuracy["fake"]) / 2,
            "discriminator_accuracy_real": accuracy["real"],
            "discriminator_accuracy_fake": accuracy["fake"],
            "discriminator_score_real": score["real"],
            "discriminator_score_fake": score["fake"],
            "discriminator_confidence": confidence(sums["real_bins"], sums["fake_bins"]),
            "discriminator_calibration_error": calibration_error(sums["real_bins"], sums["fake_bins"]),
        }

    @torch.no_grad()
    def evaluate(
        self,
        model: Any,
        data: Any,
        *,
        split: str = "test",
        device: torch.device,
        progress: Progress | None = None,
    ) -> Evidence:
        model.generator.to(device).eval()
        model.discriminator.to(device).eval()
        place: dict[str, Any] = {"device": device, "progress": progress}
        other = "val" if split != "val" else "test"
        real = self.judge_images(model.discriminator, data, split, at_most=data.examples[split], **place)
        floor = self.judge_images(None, data, other, at_most=self.test_samples, **place)
        fake = self.judge_samples(model.discriminator, model.generator, what="judge samples", **place)
        metrics = self.summarize(real | fake)
        metrics["fid_floor"] = fid(features_of(real, "real"), features_of(floor, "real"))
        classes = self.judge.names or data.outputs.names
        if classes == data.outputs.names:  # a judge with other classes has no accuracy here
            metrics["judge_accuracy"] = (real["real_right"] / real["real_count"]).item()
        if self.untrained is not None:
            blank = self.judge_samples(None, self.untrained().to(device).eval(), what="judge untrained", **place)
            metrics["fid_untrained"] = fid(features_of(real, "real"), features_of(blank, "fake"))
            metrics["fid_ratio"] = metrics["fid"] / metrics["fid_untrained"]
        ratio, images = self.pictures(model.generator, data, split, **place)
        metrics["neighbour_distance_ratio"] = ratio
        numbers = {
            "samples": int(fake["fake_count"]),
            "reals": f"{int(real['real_count'])} of {split}",
            "floor": f"{int(floor['real_count'])} of {other} against the same",
            "untrained": "as many samples of the generator as it is before its first step",
        }
        arrays = {name: value.cpu().numpy() for name, value in images.items()}
        arrays["class_counts"] = fake["fake_classes"].long().cpu().numpy()
        texts = {"classes": list(classes), "judge": {"digest": self.judge.digest}, "fid": numbers}
        return Evidence(metrics, arrays, texts)

    def judge_images(
        self,
        discriminator: nn.Module | None,
        data: Any,
        split: str,
        *,
        at_most: int,
        device: torch.device,
        progress: Progress | None,
    ) -> Sums:
        """Return sums over the first `at_most` images of a split, with their labels."""
        sums: Sums = {}
        for batch in images_of(data, split, at_most=at_most, what="judge", device=device, progress=progress):
            counts_B = torch.ones(len(batch["x"]), dtype=torch.bool)
            sums = add(sums, self.of_real(discriminator, batch["x"], counts_B=counts_B, y_B=batch["y"]))
        return sums

    def judge_samples(
        self,
        discriminator: nn.Module | None,
        generator: nn.Module,
        *,
        what: str,
        device: torch.device,
        progress: Progress | None,
    ) -> Sums:
        """Return sums over `test_samples` samples of a generator, from the same noise every time."""
        sums: Sums = {}
        for keys_B in torch.arange(self.test_samples).split(CHUNK):
            counts_B = torch.ones(len(keys_B), dtype=torch.bool)
            sums = add(sums, self.of_fake(discriminator, generator, keys_B, counts_B=counts_B, device=device))
            if progress is not None:
                progress(what, int(sums["fake_count"]), self.test_samples)
        return sums

    def pictures(
        self, generator: nn.Module, data: Any, split: str, *, device: torch.device, progress: Progress | None
    ) -> tuple[float, dict[str, Tensor]]:
        """Return the neighbour distance ratio, and images: the first samples (not selected), real images, nearest
        neighbours.

        The ratio detects a generator that memorised its training images: the samples' median distance to their nearest
        training image, divided by that of the split's own images. Values far below 1 mean copies.
        """
        samples = to_bytes(draw(generator, torch.arange(SHOWN), latent_dim=self.latent_dim, device=device))
        shown = images_of(data, split, at_most=SHOWN, what="show", device=device, progress=None)
        reals = torch.cat([batch["x"] for batch in shown])
        train = images_of(
            data, "train", at_most=data.examples["train"], what="compare with", device=device, progress=progress
        )
        found, distance_N = nearest(torch.cat((samples, reals)), train)
        images = {
            "samples": samples,
            "reals": reals,
            "neighbours_x": samples[:NEIGHBOURS],
            "neighbours": found[:NEIGHBOURS],
            "interpolation": interpolation(
                generator, latent_dim=self.latent_dim, rows=ROWS, columns=COLUMNS, device=device
            ),
        }
        return (distance_N[:SHOWN].median() / distance_N[SHOWN:].median()).item(), images
