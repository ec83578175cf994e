"""What others have published for these data sets, reached by the shipped experiments as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import fmean

import pytest
import torch
from running import ROOT, command, curve, only_run, runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * 3600)]
MIRROR = Path(os.environ.get("QUARTET_MIRROR") or ROOT.parent / "shared" / "data")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize(("experiment", "published"), [("mnist1d_cnn", 0.94), ("mnist1d_rnn", 0.91)])
def test_mnist1d_is_told_apart_as_published(experiment: str, published: float, tmp_path: Path) -> None:
    """Greydanus and Kobak, arXiv:2011.14439, table 1: the mean of three seeds."""
    assert fmean(accuracies([f"experiment={experiment}", "seed=0,1,2", "tracking=none"], tmp_path)) >= published


@pytest.mark.skipif(not (MIRROR / "trec").is_dir(), reason="no mirror of trec: set QUARTET_MIRROR")
def test_questions_are_told_apart_as_published(tmp_path: Path) -> None:
    """Kim (2014), arXiv:1408.5882, table 2, CNN-rand on TREC: the mean of three seeds."""
    words = ["experiment=trec_cnn", "seed=0,1,2", "tracking=none", f"data.source.mirror={MIRROR}"]
    assert fmean(accuracies(words, tmp_path)) >= 0.912


def accuracies(words: list[str], folder: Path) -> list[float]:
    """Train three seeds in `folder`, evaluate them, and return the accuracies."""
    command("train", "--multirun", *words, cwd=folder, limit=5400)
    found = []
    for run in runs(folder):
        command("evaluate", str(run), cwd=folder)
        found.append(json.loads((run / "evaluate" / "metrics.json").read_text())["test/accuracy"])
    assert len(found) == 3
    return found


@gpu
@pytest.mark.network
def test_tiny_shakespeare_as_nanogpt_on_a_gpu(tmp_path: Path) -> None:
    """Its README: a validation loss of 1.4697 nats after 5,000 steps."""
    words = ["experiment=tiny_shakespeare_transformer", "profile=full", "tracking=none"]
    command("train", *words, cwd=tmp_path, limit=3600)
    assert min(float(row["loss"]) for row in curve(only_run(tmp_path), "val")) <= 1.4697


@gpu
@pytest.mark.network
def test_multi30k_is_translated_as_published_on_a_gpu(tmp_path: Path) -> None:
    """English to German, test_2016_flickr, by sacrebleu: Transformers of this size are published at 38 and above."""
    command("train", "experiment=multi30k_transformer", "profile=full", "tracking=none", cwd=tmp_path, limit=3600)
    command("evaluate", str(only_run(tmp_path)), cwd=tmp_path)
    metrics = json.loads((only_run(tmp_path) / "evaluate" / "metrics.json").read_text())
    assert metrics["test/bleu"] >= 38
