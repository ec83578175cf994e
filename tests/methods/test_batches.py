from __future__ import annotations

import torch

from quartet.methods.batches import micro_batches, shared_noise, step_seed

CPU = torch.device("cpu")


def test_micro_batches_are_the_batch() -> None:
    y = torch.arange(6)
    batch = {"x": torch.arange(12).reshape(6, 2), "y": y, "count": 6}
    parts = list(micro_batches(batch, 3))
    assert [len(part["x"]) for part in parts] == [2, 2, 2]
    assert torch.equal(torch.cat([part["y"] for part in parts]).sort().values, y)


def test_micro_batches_of_all_ranks_are_those_of_one_process() -> None:
    whole = torch.arange(8)
    ranks = [list(micro_batches({"y": share}, 2)) for share in whole.chunk(2)]
    for i, alone in enumerate(micro_batches({"y": whole}, 2)):
        together = torch.cat([parts[i]["y"] for parts in ranks])
        assert torch.equal(together.sort().values, alone["y"])


def test_micro_batches_keep_what_is_no_tensor() -> None:
    parts = list(micro_batches({"y": torch.arange(6), "count": 6}, 3))
    assert {part["count"] for part in parts} == {6}


def test_ranks_share_one_noise() -> None:
    whole = shared_noise(size=6, width=3, seed=1, rank=0, world=1, device=CPU)
    shares = [shared_noise(size=6, width=3, seed=1, rank=rank, world=2, device=CPU) for rank in range(2)]
    assert sorted(map(tuple, torch.cat(shares).tolist())) == sorted(map(tuple, whole.tolist()))


def test_seeds_differ_by_seed_step_and_stream() -> None:
    seeds = {step_seed(seed=s, step=i, stream=k) for s in range(5) for i in range(200) for k in range(2)}
    assert len(seeds) == 5 * 200 * 2
    assert all(0 <= seed < 2**63 for seed in seeds)
