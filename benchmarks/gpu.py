"""On a GPU: samples per second, share of the peak and memory of the four families in the full profile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from measure import CONSOLE, Line, alternate, workplace
from pipeline_leg import TrainSegment, Watch, fit, leg

FAMILIES = ("cnn", "rnn", "transformer", "gan")
SIDE = 8192  # of the matrices by whose product the peak is measured
NOTE = (
    "profile=full (bf16, compiled) through the pipeline, {steps} steps after {warm} of warm-up, validation not counted"
    ". MFU: operations of a training step by torch's counter × steps/s ÷ {peak:.0f} TFLOP/s, measured with bf16 "
    "matrices of {side} × {side} beside each run; memory is the most that was allocated"
)


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    if not torch.cuda.is_available():
        yield Line(part="gpu", name="all", what="samples/s, MFU, memory", note="skipped: this machine has no GPU")
        return
    warm, steps = (5, 20) if quick else (40, 400)
    for family in FAMILIES:
        line = Line(part="gpu", name=family, what="samples/s on one GPU", unit="samples/s", samples_unit="samples/s")
        CONSOLE.print(f"{family} on {torch.cuda.get_device_name()}")
        try:
            with workplace() as folder:
                length = f"{warm + steps} steps"
                full = leg(family, f"budget='{length}'", f"validate_every='{length}'", "profile=full", folder=folder)
                runs = Runs(full, folder, warm=warm)
                (line.ours,) = alternate(runs, repetitions=repetitions, title="samples/s")
            fill(line, runs, note=NOTE.format(steps=steps, warm=warm, peak=max(runs.peaks) / 1e12, side=SIDE))
        except Exception as error:
            line.explain(error)
        yield line


class Runs:
    """Each call trains once more and gives samples per second; remembers the peak, memory and operations beside it."""

    def __init__(self, leg: TrainSegment, folder: Path, *, warm: int) -> None:
        self.leg, self.folder, self.warm = leg, folder, warm
        self.peaks: list[float] = []
        self.memory: list[float] = []  # GiB
        self.flops = 0.0  # of a sample

    def __call__(self) -> float:
        self.peaks.append(peak())
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        place = self.folder / f"run{len(self.peaks)}"
        watch = Watch(warm=self.warm)
        method = fit(self.leg, place, watch, validation_batches=2)
        self.memory.append(torch.cuda.max_memory_allocated() / 2**30)
        self.flops = method.clock.flops_per_sample
        return watch.rate(method)


def fill(line: Line, runs: Runs, *, note: str) -> None:
    line.value = statistics.median(line.ours)
    mfu, memory = runs.flops * line.value / max(runs.peaks), max(runs.memory)
    line.what += f", MFU {mfu:.1%}, {memory:.1f} GiB"
    line.more = {
        "mfu": mfu,
        "peak_memory_gib": memory,
        "flops_per_sample": runs.flops,
        "measured_peak_flops": max(runs.peaks),
        "device": torch.cuda.get_device_name(),
    }
    line.note = note
    line.command = f"quartet train experiment={line.name} profile=full"


def peak() -> float:
    """Operations per second of a large product of bf16 matrices."""
    a, b = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(30):
        a @ b
    torch.cuda.synchronize()
    return 30 * 2 * SIDE**3 / (time.perf_counter() - began)
