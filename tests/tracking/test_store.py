"""Test runs in a real SQLite store: their content, refusals, and a store that disappears."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from quartet.sqlite import file_of, uri_of
from quartet.tracking import MLflow, NoTracking
from quartet.tracking.pages import pages
from quartet.types import QuartetError


def tracker(folder: Path, **given: object) -> MLflow:
    uri = f"sqlite:///{folder}/mlflow.db"
    return MLflow(**{"uri": uri, "experiment": "quartet", "system_metrics": False, "model": True, **given})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MLflow:
    """Return one store for all tests: its first migration takes seconds."""
    return tracker(tmp_path_factory.mktemp("store"))


def client(store: MLflow) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(store.uri)


def test_importing_needs_no_mlflow_and_neither_does_tracking_nothing() -> None:
    code = (
        "import sys; sys.modules['mlflow'] = None\n"
        "from quartet.tracking import MLflow, NoTracking\n"
        "t = NoTracking()\n"
        "run = t.start(name='a', params={}, tags={})\n"
        "with t.attach(run) as metrics: metrics.log({'train/loss': 1.0}, step=1)\n"
        "t.finish(run, 'FINISHED')\n"
        "assert run == '' and t.uri is None and not t.stores_model\n"
        "try: MLflow(uri=None, experiment='x', system_metrics=True, model=True).start(name='a', params={}, tags={})\n"
        "except Exception as error: assert 'tracking=none' in str(error), error\n"
        "else: raise SystemExit('tracked without mlflow')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "MLFLOW_TRACKING_URI": ""})


def test_the_uri_is_absolute_and_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracker(tmp_path, uri=None).uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracker(tmp_path, uri="sqlite:///sub/a.db?timeout=9").uri == f"sqlite:///{tmp_path}/sub/a.db?timeout=9"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere:5000")
    assert tracker(tmp_path, uri=None).uri == "http://somewhere:5000"
    assert tracker(tmp_path, uri="sqlite:////b.db").uri == "sqlite:////b.db"


ODD = ["a?b", "100%20", "two words", "so#x", 'jörg\'s "(1)" [x],=;&@+', "a%3Fb", "$HOME", "back\\slash", "x:y", "100%"]


@pytest.mark.parametrize("name", ODD)
def test_the_uri_of_any_file_is_read_as_sqlalchemy_reads_it(name: str) -> None:
    from sqlalchemy.engine import make_url

    file = Path("/project") / name / "mlflow.db"
    for options in ("", "?timeout=9"):
        uri = uri_of(file, options)
        assert file_of(uri) == Path(str(make_url(uri).database)) == file
        assert tracker(Path(), uri=uri).uri == uri


def test_a_store_lies_in_its_folder_whatever_that_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "a?b" / "100%20 jörg #1 (x)=y,z"
    folder.mkdir(parents=True)
    odd = tracker(folder, uri=uri_of(folder / "mlflow.db"))
    run = odd.start(name="odd", params={}, tags={})
    odd.text(run, "deep/said.txt", "hello")
    odd.finish(run, "FINISHED")
    assert client(odd).get_run(run).info.status == "FINISHED"
    (copied,) = Path(client(odd).download_artifacts(run, "deep", str(tmp_path))).iterdir()
    assert copied.read_text() == "hello"
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock", "mlruns"}
    assert {path.name for path in tmp_path.iterdir()} == {"a?b", "deep"}, "nothing lies beside the project"


def test_many_and_long_parameters_are_stored(store: MLflow) -> None:
    layers = {f"layer{i}": {"width": i, "note": None} for i in range(130)}
    long = "ä" * 5900
    params = {
        "net": {"_target_": "quartet.nets.CNN", "layers": layers},
        "betas": [0.9, 0.99],
        "long": long,
        "empty": {},
    }
    run = store.start(name="many", params={**params, "longer": "x" * 9000, "on": True}, tags={})
    logged = client(store).get_run(run).data.params
    assert len(logged) == 1 + 260 + 5
    assert logged["net.layers.layer129.width"] == "129"
    assert logged["net.layers.layer0.note"] == "null"
    assert logged["betas"] == "[0.9, 0.99]"
    assert logged["empty"] == "{}"
    assert logged["on"] == "true"
    assert logged["long"] == long
    assert logged["longer"] == "x" * 6000


def test_the_experiment_opens_in_the_view_of_trained_models(store: MLflow) -> None:
    """Without the tag MLflow guesses, and shows the view of language models with one collapsed line."""
    store.start(name="first", params={}, tags={})
    experiment = client(store).get_experiment_by_name("quartet")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_tags_dataset_and_nesting(store: MLflow) -> None:
    data = {"name": "fashion_mnist", "digest": "d" * 64, "path": "dvc://data/fashion_mnist", "train": 55000}
    parent = store.start(name="sweep", params={}, tags={"git_commit": "abc", "fingerprint": "f" * 64}, dataset=data)
    child = store.start(name="trial", params={}, tags={}, parent=parent)
    found = client(store).get_run(parent)
    assert found.info.run_name == "sweep"
    assert found.info.status == "RUNNING"
    assert found.data.tags["fingerprint"] == "f" * 64
    assert found.data.tags["mlflow.source.git.commit"] == "abc"
    assert client(store).get_run(child).data.tags["mlflow.parentRunId"] == parent
    (used,) = found.inputs.dataset_inputs
    assert used.dataset.name == "fashion_mnist"
    assert used.dataset.digest == "d" * 36
    assert "55000" in used.dataset.profile
    assert "d" * 64 in used.dataset.profile
    assert used.tags[0].value == "training"


def test_artifacts_lie_next_to_the_database(store: MLflow, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    (tmp_path / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a.txt").write_text("a")
    run = store.start(name="files", params={}, tags={})
    store.artifact(run, tmp_path / "config.yaml", folder="config")
    store.artifact(run, tmp_path / "many", folder="many")
    store.text(run, "samples.txt", "The cat eats")
    store.figure(run, "curve.png", Figure())
    names = {file.path for folder in (None, "config", "many") for file in client(store).list_artifacts(run, folder)}
    assert {"config/config.yaml", "many/a.txt", "samples.txt", "curve.png"} <= names
    database = Path(store.uri.removeprefix("sqlite:///"))
    assert list((database.parent / "mlruns").rglob("config.yaml"))


def test_the_pages_of_an_experiment_open_with_its_runs(tmp_path: Path) -> None:
    """An experiment of a version that marked none, too; one that is somebody else's is left alone."""
    assert pages(f"sqlite:///{tmp_path}/none.db", metrics=[]) == {}
    assert not (tmp_path / "none.db").exists()
    ours = tracker(tmp_path)
    ours.start(name="new", params={}, tags={})
    old, foreign = (client(ours).create_experiment(name) for name in ("old", "foreign"))
    client(ours).create_run(old, tags={"fingerprint": "f" * 64})
    client(ours).create_run(foreign)
    found = pages(ours.uri, metrics=["test/bleu"])
    assert set(found) == {"quartet", "old"}
    for name, page in found.items():
        experiment = client(ours).get_experiment_by_name(name)
        assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
        assert page.startswith(f"/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning")
        view = json.loads(experiment.tags[f"mlflow.sharedViewState.{page.rpartition('=')[2]}"])
        assert {"metrics.`test/bleu`", "tags.`net`"} <= set(view["selectedColumns"])
    assert client(ours).get_experiment(foreign).tags == {}


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_the_final_status_is_stored(store: MLflow, status: str) -> None:
    run = store.start(name=status, params={}, tags={})
    store.finish(run, status)  # type: ignore[arg-type]
    assert client(store).get_run(run).info.status == status


def test_resuming_continues_the_run_and_repeats_no_point(store: MLflow) -> None:
    run = store.start(name="long", params={"lr": 0.1, "devices": 1}, tags={})
    with store.attach(run) as metrics:
        for step in (100, 200, 300):
            metrics.log({"train/loss": 1 / step}, step=step)
    store.finish(run, "KILLED")
    again = store.start(name="long", params={"lr": 0.1, "devices": 2, "new": 1}, tags={}, resume=run)
    with store.attach(again) as metrics:  # from the checkpoint at 200
        for step in (300, 400):
            metrics.log({"train/loss": 1 / step, "val/loss": 0.5}, step=step)
    found = client(store).get_run(run)
    assert again == run
    assert found.info.status == "RUNNING"
    assert found.data.params == {"lr": "0.1", "devices": "1", "new": "1"}
    assert found.data.tags["changed_on_resume"] == "devices: 1 -> 2"
    history = client(store).get_metric_history(run, "train/loss")
    assert sorted(point.step for point in history) == [100, 200, 300, 400]
    assert len(client(store).get_metric_history(run, "val/loss")) == 2


def test_resuming_a_deleted_run_starts_a_new_one(store: MLflow) -> None:
    assert store.start(name="new", params={}, tags={}, resume="0" * 32) != "0" * 32
    run = store.start(name="old", params={}, tags={})
    client(store).delete_run(run)
    assert store.start(name="old", params={}, tags={}, resume=run) != run


def test_logging_costs_microseconds_and_loses_nothing(store: MLflow) -> None:
    run = store.start(name="fast", params={}, tags={})
    with store.attach(run) as metrics:
        begin = time.perf_counter()
        for step in range(3000):
            metrics.log(
                {"train/loss": float("nan") if step == 7 else 0.5, "train/accuracy of (T-shirt)": 0.1}, step=step
            )
        each = (time.perf_counter() - begin) / 3000
    assert each < 50e-6
    found = client(store).get_run(run).data.metrics
    assert set(found) == {"train/loss", "train/accuracy of _T-shirt_"}
    assert len(client(store).get_metric_history(run, "train/loss")) == 3000


def test_system_metrics_and_final_metrics(store: MLflow) -> None:
    measuring = tracker(Path(store.uri.removeprefix("sqlite:///")).parent, system_metrics=True)
    run = measuring.start(name="machine", params={}, tags={})
    for _ in range(2):  # the second goes on where the first, interrupted, ended
        with measuring.attach(run) as metrics:
            metrics.log({"train/loss": 1.0}, step=1)
    measuring.metrics(run, {"test/accuracy": 0.93}, step=1234)
    found = client(store).get_run(run).data.metrics
    assert found["test/accuracy"] == 0.93
    assert "system/cpu_utilization_percentage" in found
    steps = [point.step for point in client(store).get_metric_history(run, "system/system_memory_usage_megabytes")]
    assert sorted(steps) == [0, 1]


def test_a_lost_store_ends_no_training_and_leaves_a_csv(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = tracker(tmp_path, patience=2.0)
    run = gone.start(name="gone", params={}, tags={})
    metrics = gone.attach(run, unsent=tmp_path / "unsent.csv")
    Path(gone.uri.removeprefix("sqlite:///")).write_bytes(b"this is no database" * 1000)
    with caplog.at_level(logging.WARNING):
        metrics.log({"train/loss": 0.25}, step=64)
        metrics.close()
        metrics.close()
        gone.finish(run, "FINISHED")
    assert (tmp_path / "unsent.csv").read_text().splitlines()[1].startswith("train/loss,0.25,")
    assert "1 metrics did not reach" in caplog.text
    assert "unsent.csv" in caplog.text
    assert "the status FINISHED did not reach" in caplog.text


def test_refusals_name_the_uri_and_the_remedy(tmp_path: Path, store: MLflow) -> None:
    begin = time.monotonic()
    for uri in ("http://127.0.0.1:9", "http://no-such-host.invalid:5000"):
        with pytest.raises(QuartetError, match=r"(?s)no MLflow server answers at .*tracking=none"):
            tracker(tmp_path, uri=uri).start(name="a", params={}, tags={})
    assert time.monotonic() - begin < 12
    (tmp_path / "broken.db").write_text("this is no database" * 1000)
    with pytest.raises(QuartetError, match=r"(?s)broken\.db.*tracking=none"):
        tracker(tmp_path, uri=f"sqlite:///{tmp_path}/broken.db").start(name="a", params={}, tags={})
    other = MLflow(uri=store.uri, experiment="other", system_metrics=False, model=False)
    other.start(name="a", params={}, tags={})
    client(store).delete_experiment(client(store).get_experiment_by_name("other").experiment_id)
    with pytest.raises(QuartetError, match=r"tracking\.experiment: 'other' was deleted"):
        other.start(name="a", params={}, tags={})


RACE = """
import sys
from quartet.sqlite import file_of, uri_of
from quartet.tracking import MLflow
tracker = MLflow(uri=sys.argv[1], experiment="quartet", system_metrics=False, model=False)
run = tracker.start(name=sys.argv[2], params={"seed": sys.argv[2]}, tags={})
with tracker.attach(run) as metrics:
    for step in range(50):
        metrics.log({"train/loss": 1.0}, step=step)
tracker.finish(run, "FINISHED")
"""


def test_four_processes_may_create_one_store_at_once_and_are_quiet(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    command = [sys.executable, "-c", RACE, uri]
    every = [subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE, text=True, cwd=tmp_path) for i in range(4)]
    said = [process.communicate(timeout=120)[1] for process in every]
    assert [process.returncode for process in every] == [0] * 4, said
    assert said == [""] * 4
    from mlflow.tracking import MlflowClient

    found = MlflowClient(uri)
    (experiment,) = found.search_experiments(filter_string="name = 'quartet'")
    runs = found.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["0", "1", "2", "3"]
    assert all(run.info.status == "FINISHED" for run in runs)
    assert all(len(found.get_metric_history(run.info.run_id, "train/loss")) == 50 for run in runs)


def test_no_tracking_stores_no_model(tmp_path: Path, store: MLflow) -> None:
    assert NoTracking().model("", tmp_path) is None
    assert tracker(tmp_path, model=False).model("", tmp_path) is None
