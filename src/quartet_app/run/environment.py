"""Where a run was made: the versions of what it used, the machine, and what was typed. Imports nothing heavy."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# What can change a result, or how it was reached.
PACKAGES = ("torch", "pytorch-lightning", "numpy", "scipy", "tokenizers", "safetensors", "hydra-core", "omegaconf",
            "ray", "optuna", "mlflow", "dvc")  # fmt: skip


def environment() -> dict[str, str]:
    """The versions that a result depends on, of those packages that are installed, and the machine."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {**found, "platform": platform.platform(), "cpu": processor()}


@cache
def processor() -> str:
    """The CPU's name as its maker says it, or its architecture where the system does not tell."""
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "linux":
            named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
            return named.group(1) if named else platform.machine()
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """The cores that this process may use, which a scheduler or a container can make fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(asked: int | None, *, workers: int) -> int:
    """Threads of each of a run's `workers` on this machine: as asked (trainer.threads), else as many as it is allowed
    (Ray and `quartet grid` set OMP_NUM_THREADS), else its share of the cores."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    share = int(given) if given.isdigit() and int(given) > 0 else cores() // workers
    return asked or max(1, min(cores(), share))


def trained_on(*, accelerator: str, devices: int, precision: str) -> dict[str, Any]:
    """What this process trains on, one of `devices`: what the last bits of a result depend on."""
    import torch

    gpu = accelerator == "gpu"
    facts = {
        "accelerator": accelerator,
        "devices": devices,
        "device": torch.cuda.get_device_name() if gpu else processor(),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    return {**facts, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()} if gpu else facts


def command_line() -> str:
    """What was typed to start this process, without what stands between :// and @, which may be a password."""
    program = Path(sys.argv[0])
    ours = program.name == "quartet" or program.parts[-2:] == ("quartet_app", "__main__.py")
    words = ["quartet", *sys.argv[1:]] if ours else ["python", *sys.orig_argv[1:]]
    return re.sub(r"://[^/@\s]*@", "://***@", shlex.join(words))
