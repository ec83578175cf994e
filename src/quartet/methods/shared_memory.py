"""Sums over the processes of one machine, in shared memory.

gloo sends a sum through sockets and wakes several threads: one to three milliseconds on two busy cores. A net with nine
batch norms needs eighteen such sums per step. Here a waiting process watches a number in memory instead.
"""

import mmap
import os
import platform
import tempfile
import time
from functools import lru_cache
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from quartet.methods.method import Method
from quartet.nets import BatchNorm
from quartet.types import QuartetError

FOLDER = Path("/dev/shm")  # a file system in memory, on Linux
PLACE = 256 * 1024  # bytes that a process shares at a time
LINE = 64  # bytes of a cache line: each process counts its turns on its own line
WATCHED = 2000  # reads of a number before the process yields its core
PATIENCE = 1800.0  # seconds, the same as gloo's


def available(device: torch.device) -> bool:
    """Return whether all processes train on this machine's CPU, and the CPU keeps the order of stores. x86 does so
    (Intel's manual, volume 3A, section 8.2.2)."""
    local = os.environ.get("LOCAL_WORLD_SIZE") == str(dist.get_world_size())
    return device.type == "cpu" and local and FOLDER.is_dir() and platform.machine() == "x86_64"


class SharedMemory:
    """Add tensors of all processes, in the order of their ranks.

    This is a collective: each process makes one object and calls it equally often, with tensors of the same shape and
    type. Raises OSError on every process if the first cannot allocate the memory.
    """

    def __init__(self) -> None:
        self.rank, self.world, self.turn = dist.get_rank(), dist.get_world_size(), 0
        counters, places = self.world * LINE, 2 * self.world * PLACE
        memory = meet(counters + places)
        self.turns = memoryview(memory).cast("q")
        # Each process has two places, in turns. No process is two turns ahead, so that nobody writes to a place in use.
        self.places = torch.frombuffer(memory, dtype=torch.uint8, offset=counters).view(2, self.world, PLACE)
        self.views = lru_cache(maxsize=256)(self.make_views)

    def __call__(self, x: Tensor) -> None:
        """Replace `x`, contiguous and on the CPU, by the sum over all processes."""
        for part in x.detach().view(-1).split(PLACE // x.element_size()):
            torch.sum(self.gather(part), 0, out=part)

    def gather(self, x_N: Tensor) -> Tensor:
        """Return all processes' `x_N`, as `quartet.nets.norm.gather` does; the result is valid until the next call."""
        if x_N.numel() * x_N.element_size() > PLACE:
            raise QuartetError(f"{x_N.numel()} numbers to gather are more than {PLACE} bytes")
        self.turn += 1
        everyone, mine = self.views(x_N.numel(), x_N.dtype)[self.turn % 2]
        mine.copy_(x_N)
        self.turns[self.rank * LINE // 8] = self.turn
        for rank in range(self.world):
            self.wait(rank)
        return everyone

    def make_views(self, count: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
        """Return, for either place, all processes' parts as `count` numbers, and this process's part."""
        both = self.places[:, :, : count * dtype.itemsize].view(dtype)
        return [(place, place[self.rank]) for place in both]

    def wait(self, rank: int) -> None:
        """Wait until `rank` has shared as many tensors as this process."""
        turns, i, turn = self.turns, rank * LINE // 8, self.turn
        for _ in range(WATCHED):
            if turns[i] >= turn:
                return
        deadline = time.monotonic() + PATIENCE
        while turns[i] < turn:
            os.sched_yield()
            if time.monotonic() > deadline:
                raise RuntimeError(f"worker {rank} has not answered for {PATIENCE:.0f} s")


def meet(size: int) -> mmap.mmap:
    """Return `size` bytes, all zero, that all processes share. Their file is deleted once all have opened it."""
    first = dist.get_rank() == 0
    path: list[str | OSError] = [make_file(size) if first else ""]
    dist.broadcast_object_list(path, src=0)
    if isinstance(path[0], OSError):
        raise path[0]
    with open(path[0], "r+b") as file:
        memory = mmap.mmap(file.fileno(), size)
    dist.barrier()
    if first:
        os.unlink(path[0])
    return memory


def make_file(size: int) -> str | OSError:
    """Return the new file's path, or the error: a container's shared memory may be small."""
    try:
        with tempfile.NamedTemporaryFile(prefix="quartet-", dir=FOLDER, delete=False) as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        return error
    return file.name


class ShareMemory(pl.Callback):
    """Let the workers of one machine add gradients and batch norm's sums in shared memory."""

    def on_fit_start(self, trainer: pl.Trainer, method: Method) -> None:  # type: ignore[override]
        """Set shared memory as the way of all sums, if all workers can use it."""
        if not available(method.device):
            return
        try:
            add_up = SharedMemory()
        except OSError:  # gloo adds them instead
            return
        for module in method.modules():
            if isinstance(module, BatchNorm):
                module.gather = add_up.gather
        wrapped = trainer.strategy.model
        assert isinstance(wrapped, DistributedDataParallel)
        wrapped.register_comm_hook(add_up, average)


def average(add_up: SharedMemory, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Return the mean gradients of a bucket over all processes, for DDP, which needs real annotations, not strings."""
    gradients = bucket.buffer()
    add_up(gradients)
    done: torch.futures.Future[Tensor] = torch.futures.Future()
    done.set_result(gradients.div_(add_up.world))
    return done
