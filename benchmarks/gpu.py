"""On a GPU: samples per second, share of the peak and memory of the four families in the full profile."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from measure import CONSOLE, Line, alternate, workplace
from pipeline_leg import fit, leg

from quartet.types import QuartetError

FAMILIES = ("cnn", "rnn", "transformer", "gan")
SIDE = 8192  # of the matrices by whose product the peak is measured
NOTE = (
    "profile=full (bf16, compiled) through the pipeline, {steps} steps after {warm} of warm-up, validation not counted. "
    "MFU: operations of a training step by torch's counter × steps/s ÷ {peak:.0f} TFLOP/s, measured with bf16 matrices "
    "of {side} × {side} beside each run; memory is the most that was allocated"
)


def measure(*, repetitions: int, quick: bool) -> Iterator[Line]:
    if not torch.cuda.is_available():
        yield Line(part="gpu", name="all", what="samples/s, MFU, memory", note="skipped: this machine has no GPU")
        return
    warm, steps = (5, 20) if quick else (40, 400)
    for family in FAMILIES:
        line = Line(part="gpu", name=family, what="samples/s on one GPU", unit="samples/s", samples_unit="samples/s")
        try:
            with workplace() as folder:
                length = f"{warm + steps} steps"
                words = (f"budget='{length}'", f"validate_every='{length}'", "profile=full")
                full = leg(family, *words, folder=folder)
                CONSOLE.print(f"{family} on {torch.cuda.get_device_name()}")
                peaks: list[float] = []
                memory: list[float] = []
                flops: list[float] = []

                def run() -> float:
                    peaks.append(peak())
                    torch.cuda.reset_peak_memory_stats()
                    place = folder / f"run{len(peaks)}"
                    method, watch = fit(full, place, warm=warm, validation_batches=2)
                    memory.append(torch.cuda.max_memory_allocated() / 2**30)
                    flops.append(method.flops_per_sample)
                    return (method.samples - watch.before) / watch.watch.seconds

                (line.ours,) = alternate(run, repetitions=repetitions, title="samples/s")
                fill(line, max(peaks), max(memory), flops[-1], steps=steps, warm=warm)
        except QuartetError as error:
            line.note = f"skipped: {error}"
        yield line


def fill(line: Line, top: float, memory: float, flops: float, *, steps: int, warm: int) -> None:
    line.value = sorted(line.ours)[len(line.ours) // 2]
    line.more = {
        "mfu": flops * line.value / top,
        "peak_memory_gib": memory,
        "flops_per_sample": flops,
        "measured_peak_flops": top,
        "device": torch.cuda.get_device_name(),
    }
    line.what += f", MFU {line.more['mfu']:.1%}, {memory:.1f} GiB"
    line.note = NOTE.format(steps=steps, warm=warm, peak=top / 1e12, side=SIDE)
    line.command = f"pipelines/train.py experiment={line.name} profile=full"


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
