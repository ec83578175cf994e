"""Small data of one's own and the overrides that shrink any shipped experiment to a few seconds."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from quartet.data.loading.files import split_indices
from quartet_app.config.composing import compose
from quartet_app.config.signatures import constants

SMALL = ["tracking=none", "trainer.progress=false", "trainer.threads=1", "trainer.log_every=1"]
SMALL_NET = {
    "cnn": ["net.width=8", "net.layers=2", "net.heads=2"],
    "rnn": ["net.width=16", "net.layers=1", "net.heads=2"],
    "transformer": ["net.width=16", "net.heads=2", "net.layers=1"],
}
WORDS = [
    "the",
    "cat",
    "eats",
    "a",
    "small",
    "red",
    "fish",
    "while",
    "its",
    "friend",
    "sleeps",
    "under",
    "an",
    "old",
    "tree",
    "by",
    "the",
    "river",
    "and",
    "dreams",
]


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small data set of each kind. Images are a bright square in a corner that is their class; an
    odd number of them, so that devices cannot share them evenly; they come split, as the golden curves' were."""
    folder = tmp_path_factory.mktemp("own")
    draw = np.random.default_rng(0)
    y = np.arange(241) % 4
    x = draw.integers(0, 60, (241, 28, 28), dtype=np.uint8)
    for image, label in zip(x, y, strict=True):
        image[14 * (label // 2) :][:14, 14 * (label % 2) :][:, :14] += 150
    parts = split_indices(len(x), validation=0.1, test=0.1, seed=0)
    splits = {f"{axis}_{split}": all_[part] for split, part in parts.items() for axis, all_ in (("x", x), ("y", y))}
    np.savez(folder / "images.npz", x=x, y=y, **splits)
    waves = np.sin(np.linspace(0, 9, 40)[None] * (1 + y[:, None])) + draw.normal(0, 0.1, (241, 40))
    np.savez(folder / "series.npz", x=waves.astype(np.float32), y=y)
    words = random.Random(0)
    sentences = [" ".join(words.choice(WORDS) for _ in range(words.randint(3, 12))) for _ in range(600)]
    (folder / "text").mkdir()
    (folder / "text" / "a.txt").write_text(".\n".join(sentences * 3))
    (folder / "pairs.tsv").write_text("".join(f"{s}\t{' '.join(reversed(s.split()))}\n" for s in sentences))
    labelled = [(f"{s} {WORDS[i % 3]}", WORDS[i % 3]) for i, s in enumerate(sentences[:300])]
    (folder / "labelled.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in labelled))
    return folder


def stand_in(kind: str, own: Path) -> list[str]:
    """Overrides that put the small data set of the same kind in an experiment's place."""
    return {
        "images": ["data=own_image_arrays", f"data.source.file={own}/images.npz", "data.loading.batch_size=16"],
        "series": ["data=own_series", f"data.source.file={own}/series.npz", "data.loading.batch_size=16"],
        "text": ["data=own_text", f"data.source.folder={own}/text", "data.source.vocabulary=300",
                 "data.loading.batch_size=8", "data.loading.context=24"],
        "labelled_text": ["data=own_labelled", f"data.source.file={own}/labelled.csv", "data.source.vocabulary=300",
                          "data.loading.batch_size=16"],
        "pairs": ["data=own_pairs", f"data.source.folder={own}/pairs.tsv", "data.source.vocabulary=300",
                  "data.loading.batch_size=512"],
    }[kind]  # fmt: skip


@pytest.fixture(scope="session")
def small(own: Path) -> Callable[..., list[str]]:
    """`small("cnn", "seed=1")`: the overrides of a tiny run of a shipped experiment on small data."""

    def overrides(experiment: str, *more: str, steps: int = 6) -> list[str]:
        # The experiment as it is, with dummies for what only its user can give.
        dummies = {
            "own_images": ["data.source.folder=x"],
            "own_text": ["data.source.folder=x"],
            "own_pairs": ["data.source.folder=x"],
            "own_series": ["data.source.file=x"],
            "own_labelled": ["data.source.file=x"],
        }
        tree = compose([f"experiment={experiment}", *dummies.get(experiment, [])])
        task = tree["task"]["_target_"].rsplit(".", 1)[1].lower()
        kind = constants(tree["data"]["source"]["_target_"])["KIND"]
        net = tree["net"]["_target_"].rsplit(".", 1)[1].lower()
        extra = ["task.samples=40"] if task == "generate" else []
        return [
            f"experiment={experiment}", *SMALL, *SMALL_NET[net], *stand_in(kind, own), *extra,
            f"budget='{steps} steps'", f"validate_every='{steps // 2} steps'", "match.parameters=null", *more,
        ]  # fmt: skip

    return overrides


EXPERIMENTS = {"classify": "cnn", "language": "rnn", "translate": "transformer", "generate": "gan"}


@pytest.fixture(scope="session")
def trained(small: Callable[..., list[str]], own: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a tiny trained run of each task, and an MLflow store in which each is the champion."""
    from mlflow import MlflowClient
    from PIL import Image

    from quartet_app.run.train import train

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for experiment in EXPERIMENTS.values():
            train(compose(small(experiment, "tracking=mlflow", "tracking.system_metrics=false")))
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        for run in client.search_runs(["1"]):
            (name,) = (f"quartet-{task}" for task, one in EXPERIMENTS.items() if one == run.data.tags["experiment"])
            model = client.get_logged_model(((run.outputs and run.outputs.model_outputs) or [])[-1].model_id)
            client.create_registered_model(name)
            tags = {key: run.data.tags[key] for key in ("data", "net", "experiment", "seed")}
            source = model.artifact_location
            version = client.create_model_version(name, source, run.info.run_id, tags=tags, model_id=model.model_id)
            for alias in ("champion", f"champion-{tags['data']}"):
                client.set_registered_model_alias(name, alias, version.version)
        pictures = folder / "pictures"
        pictures.mkdir()
        with np.load(own / "images.npz") as archive:
            for i in range(5):
                Image.fromarray(archive["x"][i]).save(pictures / f"{i}.png")
        yield folder


@pytest.fixture(scope="session")
def evaluated(small: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two architectures × two seeds, really trained, evaluated and tracked; not to be changed."""
    from quartet_app.run.evaluate import evaluate
    from quartet_app.run.train import train

    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder):
        for experiment, seed in itertools.product(("mnist1d_cnn", "mnist1d_rnn"), (0, 1)):
            more = (f"seed={seed}", "tracking=mlflow", "tracking.system_metrics=false")
            train(compose(small(experiment, *more, steps=12)))
        for run in sorted(Path("runs").glob("mnist1d_*")):
            evaluate(run, out=run / "evaluate")
    return folder


@pytest.fixture
def grid(evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with those runs and a tracking store of its own."""
    shutil.copytree(evaluated / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("checkpoints"))
    shutil.copyfile(evaluated / "mlflow.db", tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in which runs and data are made."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sweep_overrides(small: Callable[..., list[str]], here: Path) -> Callable[..., list[str]]:
    """Return a function that makes the command line of a sweep of tiny runs, tracked in a database of its own."""

    def made(*more: str, experiment: str = "mnist1d_cnn", steps: int = 60) -> list[str]:
        tiny = [word for word in small(experiment, steps=steps) if not word.startswith(("tracking", "validate"))]
        return [
            "-m", "hydra/sweeper=ray", *tiny, "hydra.sweep.dir=sweep", f"hydra.sweeper.observer.tuned={here}/tuned",
            "tracking.system_metrics=false", f"validate_every='{steps // 5} steps'", *more,
        ]  # fmt: skip

    return made
