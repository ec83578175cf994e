"""Record where a run was made: versions of packages, the machine and the command. Imports nothing heavy."""

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

# Packages that can change a result or the way to it.
PACKAGES = ("torch", "pytorch-lightning", "numpy", "scipy", "tokenizers", "safetensors", "hydra-core", "omegaconf",
            "ray", "optuna", "mlflow", "dvc")  # fmt: skip


def environment() -> dict[str, str]:
    """Return the versions of Python and of the installed PACKAGES, the platform and the CPU's name."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {**found, "platform": platform.platform(), "cpu": processor()}


@cache
def processor() -> str:
    """Return the CPU's model name, or its architecture where the system has no name for it."""
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "linux":
            named = re.search(
                r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
            )
            return named.group(1) if named else platform.machine()
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return the number of cores that this process may use; a scheduler or a container may allow it only some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(requested: int | None, *, workers: int) -> int:
    """Return the number of threads of each worker, where a run has `workers` of them on this machine.

    The first of these that is set: `requested` (trainer.threads), OMP_NUM_THREADS (Ray and `quartet grid` set it), the
    worker's share of the cores.
    """
    limit = os.environ.get("OMP_NUM_THREADS", "")
    share = int(limit) if limit.isdigit() and int(limit) > 0 else cores() // workers
    return requested or max(1, min(cores(), share))


def trained_on(*, accelerator: str, devices: int, precision: str) -> dict[str, Any]:
    """Return facts about the device of this process, one of `devices`. The last bits of a result depend on them."""
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
    """Return the command that started this process. Text between :// and @ is hidden, as it may be a password."""
    program = Path(sys.argv[0])
    ours = program.name == "quartet" or program.parts[-2:] == ("quartet_app", "__main__.py")
    words = ["quartet", *sys.argv[1:]] if ours else ["python", *sys.orig_argv[1:]]
    return re.sub(r"://[^/@\s]*@", "://***@", shlex.join(words))
