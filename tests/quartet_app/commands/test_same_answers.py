"""Evaluation, `quartet predict`, the stored model and its server give one answer to the same raw test examples."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from running import model_server, only_run, runs

from quartet.roles.shapes import spec_of
from quartet.types import Series
from quartet_app.commands import predict
from quartet_app.config.composing import compose
from quartet_app.config.resolved import config_hash, load_config
from quartet_app.run.evaluate import evaluate
from quartet_app.run.train import train

KINDS = ("images", "series", "labelled_text", "text", "pairs")
CLASSIFIED = ("images", "series", "labelled_text")
TASKS = {**dict.fromkeys(CLASSIFIED, "classify"), "text": "language", "pairs": "translate"}
EXPERIMENTS = {"images": "cnn", "text": "rnn", "pairs": "transformer"}
GREEDY = {"tokens": 12, "temperature": 0.0}


@dataclass
class Case:
    """A trained run, raw test examples, and what evaluation found for them: labels, with the confidence of the wrong
    ones (NaN for others), or texts."""

    folder: Path
    run: Path
    model: str
    examples: Any
    expected: list[Any]


@pytest.fixture(scope="session")
def raw_series(small: Callable[..., list[str]], own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tracked run on series of mean 100 and deviation 20, and their file, `raw.npz`, which is split."""
    folder = tmp_path_factory.mktemp("series")
    with np.load(own / "series.npz") as archive:
        x, y = (100 + 30 * archive["x"]).astype(np.float32), archive["y"]
    cuts = {"train": slice(0, 160), "val": slice(160, 200), "test": slice(200, None)}
    splits = {f"{axis}_{split}": array[cut] for split, cut in cuts.items() for axis, array in (("x", x), ("y", y))}
    np.savez(folder / "raw.npz", **splits)
    more = (f"data.source.file={folder}/raw.npz", "tracking=mlflow", "tracking.system_metrics=false")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(compose(small("mnist1d_rnn", *more, steps=30)))
    return folder


@pytest.fixture(scope="session")
def raw_texts(small: Callable[..., list[str]], own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tracked run on labelled texts, and their folder `raw` of tables, which is split."""
    folder = tmp_path_factory.mktemp("texts")
    head, *lines = (own / "labelled.csv").read_text().splitlines(keepends=True)
    (folder / "raw").mkdir()
    for split, cut in {"train": slice(0, 200), "val": slice(200, 240), "test": slice(240, None)}.items():
        (folder / "raw" / f"{split}.csv").write_text(head + "".join(lines[cut]))
    more = (f"data.source.file={folder}/raw", "data.source.longest=8", "tracking=mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(compose(small("trec_transformer", *more, "tracking.system_metrics=false", steps=30)))
    return folder


def raw_test_of(kind: str, folder: Path, own: Path) -> tuple[Any, Any]:
    """The raw test examples of a kind, and the class of each, as evaluation numbers it."""
    if kind == "labelled_text":
        rows = list(csv.DictReader((folder / "raw" / "test.csv").read_text().splitlines()))
        names = sorted({row["label"] for row in rows})
        return [row["text"] for row in rows], np.array([names.index(row["label"]) for row in rows])
    with np.load(own / "images.npz" if kind == "images" else folder / "raw.npz") as archive:
        return archive["x_test"], archive["y_test"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(kind: str, own: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    fixtures = {"series": "raw_series", "labelled_text": "raw_texts"}
    folder: Path = request.getfixturevalue(fixtures.get(kind, "trained"))
    monkeypatch.chdir(folder)
    run = (
        only_run(folder)
        if kind in fixtures
        else next(run for run in runs(folder) if run.name.startswith(f"{EXPERIMENTS[kind]}-"))
    )
    evidence = evaluated_anew(run, tmp_path)
    known = json.loads((run / "run.json").read_text())["mlflow_run_id"]
    if TASKS[kind] == "classify":
        examples, y = raw_test_of(kind, folder, own)
        return Case(folder, run, f"runs:/{known}/model", examples, classes(evidence, y))
    texts = json.loads((evidence / "evidence.json").read_text())
    if kind == "text":
        examples = [one["prompt"] for one in texts["completions"]]
        expected = [one["prompt"] + one["continuation"] for one in texts["completions"]]
    else:
        examples = [one["source"] for one in texts["translations"]]
        expected = [one["beam"] for one in texts["translations"]]
    assert len(examples) >= 3
    return Case(folder, run, f"runs:/{known}/model", examples, expected)


def evaluated_anew(run: Path, tmp_path: Path) -> Path:
    """Evaluate a copy of `run`, told to keep all mistakes and to write greedily; the folder of its evidence."""
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    asked = {"mistakes": 1000, **GREEDY}
    config["task"] |= {key: value for key, value in asked.items() if key in config["task"]}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    now = {"mlflow_run_id": None, "config_hash": config_hash(load_config(tmp_path / "run" / "config.yaml"))}
    (tmp_path / "run" / "run.json").write_text(json.dumps({**facts, **now}))
    evaluate(tmp_path / "run", out=tmp_path / "evaluate")
    return tmp_path / "evaluate"


def classes(evidence: Path, y: np.ndarray) -> list[tuple[str, float]]:
    """The class of each example by evaluation; it kept the mistakes, the others are right."""
    names = json.loads((evidence / "evidence.json").read_text())["classes"]
    with np.load(evidence / "evidence.npz") as arrays:
        wrong = arrays["mistakes_index"]
        predicted, confidence = y.copy(), np.full(len(y), np.nan)
        predicted[wrong], confidence[wrong] = arrays["mistakes_predicted"], arrays["mistakes_confidence"]
        right = arrays["confusion"].diagonal().sum()
    assert 0 < len(wrong) == len(y) - right
    return [(names[label], share) for label, share in zip(predicted, confidence.tolist(), strict=True)]


def compare(found: list[Any], expected: list[Any]) -> None:
    """Texts and labels are the same; confidences, where evaluation kept them, to six digits."""
    if isinstance(expected[0], str):
        assert found == expected
        return
    assert [label for label, _ in found] == [label for label, _ in expected]
    known = [i for i, (_, share) in enumerate(expected) if not np.isnan(share)]
    np.testing.assert_allclose([found[i][1] for i in known], [expected[i][1] for i in known], rtol=2e-6)


def test_predict_says_what_evaluation_found(
    kind: str, case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files: list[str] = []
    if kind == "images":
        for i, x in enumerate(case.examples):
            Image.fromarray(x).save(tmp_path / f"{i:03d}.png")
        files = sorted(str(path) for path in tmp_path.glob("*.png"))
    elif kind == "series":
        np.savetxt(tmp_path / "raw.csv", case.examples, delimiter=",")
        files = [str(tmp_path / "raw.csv")]
    elif kind == "labelled_text":
        (tmp_path / "raw.txt").write_text("\n".join(case.examples) + "\n")
        files = [str(tmp_path / "raw.txt")]
    greedy = [word for key, value in GREEDY.items() for word in (f"--{key}", str(value))]
    asked = {"text": [[example, *greedy] for example in case.examples], "pairs": [case.examples]}.get(kind, [files])
    found: list[Any] = []
    for words in asked:
        capsys.readouterr()
        predict.main([TASKS[kind], *words, "--from", str(case.run), "--json"])
        for answer in map(json.loads, capsys.readouterr().out.splitlines()):
            if kind == "text":
                found.append(answer["prompt"] + answer["continuation"])
            elif kind == "pairs":
                found.append(answer["translation"])
            else:
                found.append((answer["classes"][0]["class"], answer["classes"][0]["probability"]))
    compare(found, case.expected)


def test_the_stored_model_says_what_evaluation_found(kind: str, case: Case) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{case.folder}/mlflow.db")
    model = mlflow.pyfunc.load_model(case.model)
    found = model.predict(case.examples, params=GREEDY if kind == "text" else None)
    if TASKS[kind] == "classify":
        found = list(zip(found["label"], found["confidence"], strict=True))
    compare(list(found), case.expected)


@pytest.mark.slow
def test_the_server_says_what_evaluation_found(kind: str, case: Case) -> None:
    examples = np.asarray(case.examples).tolist()
    with model_server(case.model, case.folder) as ask:
        status, answer = ask({"inputs": examples, **({"params": GREEDY} if kind == "text" else {})})
    assert status == 200, answer
    found = answer["predictions"]
    if TASKS[kind] == "classify":
        found = [(one["label"], one["confidence"]) for one in found]
    compare(found, case.expected)


def test_the_model_of_raw_series_holds_their_figures(raw_series: Path) -> None:
    described = json.loads((only_run(raw_series) / "model.json").read_text())
    with np.load(raw_series / "raw.npz") as archive:
        x = archive["x_train"]
    spec = spec_of(described["inputs"])
    assert isinstance(spec, Series)
    np.testing.assert_allclose([*spec.mean, *spec.std], [x.mean(dtype=float), x.std(dtype=float)])
    old = {**described, "inputs": {"length": 40, "channels": 1}}  # as it was written before
    assert spec_of(old["inputs"]) == Series(length=40, channels=1)
