"""Batches: the same examples however many devices share them, each one where it belongs, from any start."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from quartet.data import DataModule
from quartet.types import BOS, EOS, PAD, QuartetError

KINDS = ("images", "series", "text", "labelled_text", "pairs")
Open = Callable[..., DataModule]
Batch = dict[str, Any]


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    return {key: value for key, value in batch.items() if isinstance(value, torch.Tensor)}


def same(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key]
        for key, value in one.items()
    )


def joined(shares: list[Batch]) -> Batch:
    """One batch of the shares of all ranks; what is not a tensor must be the same in all."""
    cat = {key: torch.cat([share[key] for share in shares]) for key in tensors(shares[0])}
    rest = {key: value for key, value in shares[0].items() if key not in cat}
    assert all({key: share[key] for key in rest} == rest for share in shares)
    return {**cat, **rest}


@pytest.mark.parametrize("kind", KINDS)
def test_shares_of_the_ranks_are_the_whole_batch(kind: str, open_data: Open) -> None:
    whole = open_data(kind).batches("train", seed=3)
    for world in (2, 4, 8):
        ranks = [open_data(kind).batches("train", rank=rank, world=world, seed=3) for rank in range(world)]
        for i in (0, 1, 7, 40):
            shares = [ranks[rank].batch(i) for rank in range(world)]
            sizes = {len(value) for share in shares for value in tensors(share).values()}
            assert len(sizes) == 1
            assert same(joined(shares), whole.batch(i))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_follows_from_seed_and_number_alone(kind: str, open_data: Open) -> None:
    data = open_data(kind)
    per_epoch = data.batches("train").per_epoch
    straight = list(islice(data.batches("train", seed=1), 3 * per_epoch + 2))
    for start in (1, per_epoch, 2 * per_epoch + 1):
        later = list(islice(open_data(kind).batches("train", seed=1, start=start), len(straight) - start))
        assert all(same(one, other) for one, other in zip(straight[start:], later, strict=True))
    other = next(iter(data.batches("train", seed=2)))
    assert not same(straight[0], other)
    assert not same(straight[0], straight[per_epoch])


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_hold_every_evaluation_example_once(kind: str, world: int, split: str, open_data: Open) -> None:
    data = open_data(kind)
    ranks = [list(data.batches(split, rank=rank, world=world)) for rank in range(world)]
    assert len({len(batches) for batches in ranks}) == 1
    shares = list(zip(*ranks, strict=True))
    assert all(len(value) for group in shares for share in group for value in tensors(share).values())
    for group in shares:
        scored = sum(scored_targets(share) for share in group)
        assert all(share["count"] == scored for share in group)
    if kind == "text":
        assert sum(share[0]["count"] for share in shares) == data.manifest["tokens"][split]
    else:
        places = sorted(int(i) for group in shares for share in group for i in share["index"])
        assert places == list(range(data.examples[split]))


def scored_targets(batch: Batch) -> int:
    if "scored" in batch:
        return int(batch["scored"].sum())
    if "target" in batch:
        return int((batch["target"][:, 1:] != PAD).sum())
    return len(batch["x"])


def whole(row: torch.Tensor) -> tuple[float, ...]:
    """An example as it is without padding."""
    numbers = row.flatten().tolist()
    while numbers and row.dtype == torch.int64 and numbers[-1] == PAD:
        numbers.pop()
    return tuple(numbers)


@pytest.mark.parametrize("kind", ["images", "series", "labelled_text"])
def test_an_epoch_holds_every_training_example_once(kind: str, open_data: Open) -> None:
    data = open_data(kind, batch_size=7, augment=None)
    stream = data.batches("train")
    taken = [whole(row) for batch in islice(stream, stream.per_epoch) for row in batch["x"]]
    count = data.examples["train"]
    assert len(set(taken[:count])) == count


@pytest.mark.parametrize("context", [16, 7, 100_000])
def test_every_character_of_the_text_is_scored_once(context: int, open_data: Open) -> None:
    data = open_data("text", context=context)
    for split in ("val", "test"):
        scored = [batch["tokens"][:, 1:][batch["scored"]] for batch in data.batches(split)]
        text = data.tokenizer.decode(torch.cat(scored).tolist())
        assert len(text) == data.characters[split]


def test_scored_targets_have_half_a_window_before_them(open_data: Open) -> None:
    batches = list(open_data("text", context=16).batches("val"))
    scored = torch.cat([batch["scored"] for batch in batches])[1:]
    assert not scored[:, :8].any()
    assert scored[:-1, 8:].all()


def test_training_windows_are_pieces_of_the_text(open_data: Open) -> None:
    data = open_data("text", context=16)
    (folder,) = {path.parent for path in data.folder.parent.parent.glob("text/*.txt")}
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))
    batch = data.batches("train").batch(3)
    assert batch["scored"].all()
    assert all(data.tokenizer.decode(row.tolist()) in text for row in batch["tokens"])


def test_pairs_come_back_as_their_sentences(open_data: Open) -> None:
    data = open_data("pairs")
    references = data.references("test")
    for batch in data.batches("test"):
        for source, target, place in zip(batch["source"], batch["target"], batch["index"], strict=True):
            kept = [i for i in target.tolist() if i != PAD]
            assert (kept[0], kept[-1]) == (BOS, EOS)
            assert [i for i in source.tolist() if i != PAD][-1] == EOS
            assert (data.tokenizer.decode(source.tolist()), data.tokenizer.decode(kept)) == references[place]


def test_labelled_texts_come_back_with_their_labels(open_data: Open) -> None:
    data = open_data("labelled_text")
    assert data.outputs.names == ("bird", "cat", "fish")
    for split in ("train", "val", "test"):
        batch = data.gather(split, np.arange(data.examples[split]))
        texts = data.kind.words(batch)
        assert texts is not None
        for text, label in zip(texts, batch["y"].tolist(), strict=True):
            assert f" {data.outputs.names[label]}, " in f" {text}"
    lengths = [batch["x"].shape[1] for batch in data.batches("test")]
    assert len(set(lengths)) > 1, "all are padded to the longest of the data set"


def test_operations_are_counted_on_texts_of_usual_length(open_data: Open) -> None:
    data = open_data("labelled_text")
    stream = data.batches("train")
    sizes = [batch["x"].numel() for batch in islice(stream, stream.per_epoch)]
    mean = sum(sizes) / len(sizes)
    assert abs(data.typical_batch()["x"].numel() - mean) == min(abs(size - mean) for size in sizes)
    assert len(set(sizes)) > 1


def test_pair_batches_keep_to_their_size_and_pad_little(open_data: Open) -> None:
    data = open_data("pairs")
    stream = data.batches("train", seed=5)
    padded = everything = 0
    for epoch in range(2):
        seen = 0
        for batch in islice(data.batches("train", seed=5, start=epoch * stream.per_epoch), stream.per_epoch):
            assert batch["samples"] % 8 == 0
            assert batch["target"][:, 1:].numel() <= data.batch_size
            seen += batch["samples"]
            for key in ("source", "target"):
                padded += int((batch[key] == PAD).sum())
                everything += batch[key].numel()
        assert seen == data.examples["train"] // 8 * 8
    assert padded <= 0.1 * everything


@pytest.mark.parametrize("kind", KINDS)
def test_operations_are_counted_on_a_batch_like_most_whatever_the_seed(kind: str, open_data: Open) -> None:
    typical, other = open_data(kind).typical_batch(), open_data(kind, seed=5).typical_batch()
    assert same(typical, other)
    batches = open_data(kind).batches("train")
    sizes = [batch["samples"] for batch in islice(iter(batches), batches.per_epoch)]
    mean = sum(sizes) / len(sizes)
    assert abs(typical["samples"] - mean) == min(abs(size - mean) for size in sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_limits_are_nested_and_chosen_by_seed(kind: str, open_data: Open) -> None:
    few, more = (
        open_data(kind, limit_train=n, augment=None, **({"batch_size": 8} if kind != "pairs" else {})) for n in (16, 40)
    )
    assert (few.examples["train"], more.examples["train"]) == (16, 40)
    assert few.examples["val"] == open_data(kind).examples["val"]
    if kind in ("images", "series", "labelled_text"):
        rows = [{whole(row) for b in islice(data.batches("train"), 5) for row in b["x"]} for data in (few, more)]
        assert rows[0] < rows[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_is_the_count_that_it_stands_for(kind: str, open_data: Open) -> None:
    options: dict[str, Any] = {"augment": None, **({"batch_size": 8} if kind != "pairs" else {})}
    everything = open_data(kind, **options).examples["train"]
    share = open_data(kind, limit_train="50%", **options)
    assert share.examples["train"] == round(everything / 2)
    count = open_data(kind, limit_train=round(everything / 2), **options)
    assert same(next(iter(share.batches("train"))), next(iter(count.batches("train"))))
    assert open_data(kind, limit_train="100%", **options).examples["train"] == everything


@pytest.mark.parametrize("limit", ["0%", "101%", "30", "some", 0, -3, 0.5])
def test_what_is_no_limit_is_refused(limit: Any, open_data: Open) -> None:
    with pytest.raises(QuartetError, match=r"data.loading.limit_train: .* a share as 30% would do"):
        open_data("series", limit_train=limit)


def test_more_devices_than_the_batch_can_serve_are_refused(open_data: Open) -> None:
    with pytest.raises(QuartetError, match=r"batch_size: 16 .* 3 devices; 15 would do"):
        open_data("images").batches("train", world=3)
    with pytest.raises(QuartetError, match="1000 devices cannot share"):
        open_data("images").batches("val", world=1000)
    with pytest.raises(QuartetError, match="longest sentences take"):
        open_data("pairs", batch_size=64).batches("train")
