from __future__ import annotations

import torch

from quartet.tasks.noise import content_keys, mix, normal


def test_mix_is_splitmix64() -> None:
    # The generator's first outputs from seed 1234567, as its reference implementation prints them.
    increment = 0x9E3779B97F4A7C15
    states = [(1234567 + increment * i) % 2**64 for i in (1, 2, 3)]
    signed = torch.tensor([state - 2**64 if state >= 2**63 else state for state in states])
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [value % 2**64 for value in mix(signed).tolist()] == expected


def test_noise_is_standard_normal_and_independent() -> None:
    z = normal(torch.arange(20000), 5)
    assert z.shape == (20000, 5)
    torch.testing.assert_close(z.mean(0), torch.zeros(5, dtype=torch.float64), atol=0.03, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(5, dtype=torch.float64), atol=0.04, rtol=0)
    inside = (z.abs() < 1).double().mean().item()
    assert abs(inside - 0.6827) < 0.005


def test_a_row_follows_from_its_key_alone() -> None:
    keys = torch.tensor([5, -3, 2**62])
    whole = normal(keys, 7)
    for i in range(3):
        assert torch.equal(normal(keys[i : i + 1], 7)[0], whole[i])


def test_keys_follow_from_the_content() -> None:
    x = torch.randint(0, 256, (500, 8, 8, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    keys = content_keys(x)
    assert len(keys.unique()) == 500
    assert torch.equal(content_keys(x.flip(0)), keys.flip(0))
    assert not torch.equal(content_keys(x.transpose(1, 2)), keys)
