"""Sums in shared memory are sums, the same on every process, and leave nothing behind."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from quartet.methods.shared_memory import FOLDER, PLACE

SIZES = [1, 3, PLACE // 8, PLACE // 8 + 1, PLACE // 8 * 5 + 7]

WORKER = """
import sys
from datetime import timedelta
import torch, torch.distributed as dist
from quartet.methods.shared_memory import SharedMemory, available

rank, folder, sizes = int(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
meet = f"file://{folder}/meet"
dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=2, timeout=timedelta(seconds=60))
assert available(torch.device("cpu")) and not available(torch.device("cuda"))
add_up = SharedMemory()
draw = torch.Generator().manual_seed(rank)
outcomes = []
for turn in range(50):
    for size in sizes:
        x = torch.randn(size, generator=draw, dtype=torch.float64 if turn % 2 else torch.float32)
        add_up(x)
        outcomes.append(x)
torch.save(outcomes, f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.skipif(not FOLDER.is_dir() or platform.machine() != "x86_64", reason="memory is shared on Linux on x86")
def test_two_processes_add_up(tmp_path: Path) -> None:
    before = set(FOLDER.glob("quartet-*"))
    command = [sys.executable, "-W", "error", "-c", WORKER]
    env = {**os.environ, "LOCAL_WORLD_SIZE": "2"}
    workers = [subprocess.Popen([*command, str(rank), str(tmp_path), repr(SIZES)], env=env) for rank in range(2)]
    assert [worker.wait(timeout=100) for worker in workers] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    draws = [torch.Generator().manual_seed(rank) for rank in range(2)]
    for i, (one, other) in enumerate(zip(first, second, strict=True)):
        kind = torch.float64 if i // len(SIZES) % 2 else torch.float32
        parts = [torch.randn(SIZES[i % len(SIZES)], generator=draw, dtype=kind) for draw in draws]
        assert torch.equal(one, parts[0] + parts[1])
        assert torch.equal(one, other)
    assert set(FOLDER.glob("quartet-*")) <= before
