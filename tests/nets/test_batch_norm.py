"""Batch norm over several processes is batch norm of the whole batch in one."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import nn

from quartet.nets import BatchNorm, synchronise_batch_norm
from quartet.nets.norm import Synchronised, normalisation
from quartet.types import QuartetError

SHARES = [(5, 2), (0, 7)]

WORKER = """
import sys
from datetime import timedelta
import torch, torch.distributed as dist
from quartet.nets import BatchNorm, synchronise_batch_norm

rank, folder, shares = int(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
torch.set_num_threads(1)
meet = f"file://{folder}/meet"
dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=2, timeout=timedelta(seconds=60))
given = torch.load(f"{folder}/given.pt")
outcomes = []
for share in shares:
    model = synchronise_batch_norm(torch.nn.Sequential(BatchNorm(4).double()))
    model.load_state_dict(given["state"])
    for x in given["batches"]:
        x = x.split(share)[rank].clone().requires_grad_()
        model.zero_grad()
        y = model(x)
        (y * given["weights"].split(share)[rank]).sum().backward()
        grads = [weight.grad for weight in model.parameters()]
        for grad in grads:
            dist.all_reduce(grad)
        outcomes.append((y.detach(), x.grad, *grads, *(b.clone() for b in model.buffers())))
torch.save(outcomes, f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


def test_two_processes_equal_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    norm = BatchNorm(4).double()
    alone = nn.Sequential(norm)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    state = {name: value.clone() for name, value in alone.state_dict().items()}
    batches = [torch.randn(7, 4, 3, 2).double() * 5 + 100 for _ in range(2)]
    weights = torch.randn(7, 4, 3, 2).double()
    torch.save({"state": state, "batches": batches, "weights": weights}, tmp_path / "given.pt")
    arguments = [str(tmp_path), repr(SHARES)]
    workers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", WORKER, str(rank), *arguments]) for rank in range(2)
    ]
    assert [worker.wait(timeout=100) for worker in workers] == [0, 0]
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for i in range(len(SHARES)):
        alone.load_state_dict(state)
        for j, batch in enumerate(batches):
            x = batch.clone().requires_grad_()
            alone.zero_grad()
            y = alone(x)
            (y * weights).sum().backward()
            first, second = (part[i * len(batches) + j] for part in parts)
            for k, whole in enumerate((y, x.grad)):
                torch.testing.assert_close(torch.cat((first[k], second[k])), whole, rtol=1e-10, atol=1e-10)
            rest = (*(weight.grad for weight in alone.parameters()), *alone.buffers())
            for whole, one, other in zip(rest, first[2:], second[2:], strict=True):
                torch.testing.assert_close(one, whole, rtol=1e-10, atol=1e-10)
                torch.testing.assert_close(other, whole, rtol=1e-10, atol=1e-10)


def test_alone_it_is_the_ordinary_one() -> None:
    x = torch.randn(6, 4, 5)
    ours, torchs = synchronise_batch_norm(BatchNorm(4)), nn.BatchNorm1d(4)
    assert torch.equal(ours(x), torchs(x))
    assert torch.equal(ours.eval()(x), torchs.eval()(x))


def test_mixed_precision_leaves_its_statistics_exact() -> None:
    x = torch.randn(6, 4, 5) * 5 + 100
    weight, bias = torch.ones(4), torch.zeros(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, mean, var, _ = Synchronised.apply(x, weight, bias, 1e-5, lambda x_N: torch.stack((x_N, x_N)))
    torch.testing.assert_close(mean, x.mean((0, 2)))
    torch.testing.assert_close(var, x.var((0, 2), correction=0))
    torch.testing.assert_close(y, nn.functional.batch_norm(x, None, None, training=True))


def test_a_batch_norm_that_cannot_be_synchronised_is_refused() -> None:
    with pytest.raises(QuartetError, match=r"0: BatchNorm2d.*quartet\.nets\.BatchNorm"):
        synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(4)))


@pytest.mark.parametrize("kind", ["batch", "group", "layer"])
def test_norms_even_out(kind: Literal["batch", "group", "layer"]) -> None:
    y = normalisation(kind, 16)(torch.randn(8, 16, 6, 5) * 3 + 2)
    assert abs(y.mean().item()) < 1e-5
    assert abs(y.std().item() - 1) < 0.01
