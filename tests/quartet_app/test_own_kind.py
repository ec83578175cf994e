"""A kind of data that lives outside the tree is prepared, planned, trained on and evaluated, and nothing is edited."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from running import command, only_run

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.composing import compose
from quartet_app.config.signatures import load_module, signature

Say = Callable[..., subprocess.CompletedProcess[str]]

# Waves that are kept as their rate and phase: a batch is computed, as long as `data.loading.context` says.
SOMEBODY_S = '''
import numpy as np
import torch

from quartet.data import Kind, Source
from quartet.data.loading.files import shuffled, write_array, write_blank
from quartet.data.loading.streams import EndlessPlan, SequentialPlan
from quartet.types import Classes, Series


class Reader:
    def __init__(self, folder, split, *, length, limit):
        self.facts = np.load(folder / f"waves_{split}.npy")[:limit]
        self.examples, self.length = len(self.facts), length

    def training(self, *, batch_size, world, seed):
        def order(epoch):
            return shuffled(self.examples, seed=(seed, epoch))

        return EndlessPlan(examples=self.examples, batch_size=batch_size, order=order)

    def evaluation(self, *, batch_size, world):
        return SequentialPlan(examples=self.examples, batch_size=batch_size, world=world)

    def gather(self, chosen, share, *, training):
        facts = self.facts[chosen[share]]
        x = wave(facts, self.length)[..., None]
        y = facts[:, 0].astype(np.int64)
        batch = {"x": torch.from_numpy(x), "y": torch.from_numpy(y), "count": len(chosen), "samples": len(chosen)}
        return batch if training else {**batch, "index": torch.from_numpy(chosen[share])}


def wave(facts, length):
    """Waves (N, length) around 50 of given rates, 0 or 1, and phases."""
    reach = np.linspace(0, 6, length)[None]
    return (50 + 20 * np.sin(reach * (1 + 2 * facts[:, :1]) + facts[:, 1:])).astype(np.float32)


class Waves(Kind):
    NEEDS = {"context": ("a wave has no length of its own", 40)}
    LIKE = ("series",)

    @property
    def inputs(self):
        return Series(length=self.context, channels=1, mean=(50.0,), std=(14.0,))

    @property
    def outputs(self):
        return Classes(names=("slow", "fast"))

    def reader(self, split, *, limit, seed):
        return Reader(self.folder, split, length=self.context, limit=limit)

    @classmethod
    def stand_in(cls, folder, facts):
        for split, count in facts["examples"].items():
            write_blank(folder / f"waves_{split}.npy", (count, 2), "float32")
        return {}


class Alone(Waves):
    """No task of ours takes it."""

    LIKE = ()


class Grouped(Waves):
    GROUP = 4


class Made(Source):
    KIND = "somebody_s.Waves"
    LICENCE = "none"
    ORIGIN = "a test"

    def __init__(self, *, count: int) -> None:
        self.count = count

    def build(self, staging, downloads):
        draw = np.random.default_rng(0)
        for split, count in self.foreseen()["examples"].items():
            facts = np.stack([np.arange(count) % 2, draw.uniform(0, 1, count)], axis=1)
            write_array(staging / f"waves_{split}.npy", facts.astype(np.float32))
        return self.foreseen()

    def foreseen(self):
        return {"examples": {"train": self.count, "val": 40, "test": 60}}


class MadeAlone(Made):
    KIND = "somebody_s.Alone"


class MadeGrouped(Made):
    KIND = "somebody_s.Grouped"


class Lost(Made):
    KIND = "somebody_s.Nothing"
'''


@pytest.fixture
def overrides(here: Path, small: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """`overrides("Made")`: a tiny run of shipped net and task on data of that source, which is found by its path."""
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "somebody_s.py").write_text(SOMEBODY_S)
    monkeypatch.syspath_prepend(here / "elsewhere")
    load_module.cache_clear()  # the folder of another test
    signature.cache_clear()

    def made(source: str, *more: str) -> list[str]:
        tiny = [word for word in small("mnist1d_rnn", steps=60) if not word.startswith(("data=", "data.source"))]
        own = ["~data.source", f"+data.source={{_target_: somebody_s.{source}, count: 200}}", "data.name=waves"]
        return [*tiny, *own, "+data.loading.context=24", "optimizer.lr=0.01", *more]

    return made


@pytest.fixture
def say(here: Path) -> Say:
    """`say("train", …)`: the command `quartet` where somebody's file can be imported."""
    path = os.pathsep.join([str(here / "elsewhere"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return lambda *arguments, **options: command(*arguments, cwd=here, PYTHONPATH=path, **options)


@pytest.mark.slow
def test_it_is_planned_prepared_trained_and_evaluated(
    overrides: Callable[..., list[str]], say: Say, here: Path
) -> None:
    plan = ("plan", "--json", *overrides("Made"))
    (blank,) = json.loads(say(*plan).stdout)
    assert not list(here.rglob("manifest.json"))
    say("train", *overrides("Made"))
    (manifest,) = here.rglob("waves/manifest.json")
    assert json.loads(manifest.read_text())["kind"] == "somebody_s.Waves"
    run = only_run(here)
    (real,) = json.loads(say(*plan).stdout)
    for key in ("parameters", "flops_per_sample", "samples", "steps"):
        assert blank[key] == real[key], key
    assert real["samples"] == json.loads((run / "run.json").read_text())["samples_seen"]
    say("evaluate", str(run), "--out", "out")
    metrics = json.loads((here / "out" / "metrics.json").read_text())
    assert metrics["test/accuracy"] > 0.8
    facts = np.load(manifest.parent / "waves_test.npy")
    np.save(here / "raw.npy", runpy.run_path(str(here / "elsewhere" / "somebody_s.py"))["wave"](facts, 24))
    said = say("predict", "classify", "raw.npy", "--from", str(run)).stdout.splitlines()
    found = [line.split("\t")[1].split()[0] for line in said]
    expected = [("slow", "fast")[int(y)] for y in facts[:, 0]]
    right = [one == other for one, other in zip(found, expected, strict=True)]
    assert np.mean(right) == pytest.approx(metrics["test/accuracy"])


def test_what_cannot_be_is_refused_before_anything_is_imported(overrides: Callable[..., list[str]]) -> None:
    check(compose(overrides("Made")))
    for source, devices, said in (
        ("MadeAlone", 1, "data: waves holds somebody_s.Alone, task Classify needs images or series"),
        ("MadeGrouped", 3, "trainer.devices: groups of 4 somebody_s.Grouped cannot be shared by 3"),
        ("Lost", 1, "data.source: Lost.KIND is somebody_s.Nothing, and there is no such class; set it to one of"),
        ("Made", 3, "data.loading.batch_size: a batch of 16 cannot be shared by 3"),
    ):
        with pytest.raises(QuartetError, match=said):
            check(compose(overrides(source, f"trainer.devices={devices}")))
    assert "somebody_s" not in sys.modules


def test_the_keys_that_it_needs_are_asked_for(overrides: Callable[..., list[str]], say: Say) -> None:
    done = say("train", *overrides("Made", "data.loading.context=null"), check=False)
    assert done.returncode == 2
    assert "data.loading.context: null given, but a wave has no length of its own; 40 would do" in done.stderr
