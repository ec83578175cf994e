"""Test the registry and the queries of a real SQLite store. The models are entries without weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quartet.tracking import MLflow, NoTracking
from quartet.types import QuartetError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MLflow:
    folder = tmp_path_factory.mktemp("registry")
    tracker = MLflow(uri=f"sqlite:///{folder}/mlflow.db", experiment="quartet", system_metrics=False, model=True)
    tracker.start(name="first", params={}, tags={})
    return tracker


def client(store: MLflow) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(store.uri)


def with_model(store: MLflow, name: str) -> tuple[str, str]:
    """Start a run with a stored model; return their ids."""
    from mlflow.entities import LoggedModelOutput

    run = store.start(name=name, params={}, tags={})
    model = client(store).create_logged_model("1", name="model", source_run_id=run)
    client(store).finalize_logged_model(model.model_id, "READY")
    client(store).log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
    return run, model.model_id


def test_a_version_is_the_model_of_its_run(store: MLflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # MLflow's global store is a different one: it must be neither read nor created.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    run, model = with_model(store, "a")
    with store.registry() as registry:
        assert registry.versions("quartet-a") == []
        assert registry.aliases("quartet-a") == {}
        first = registry.register("quartet-a", run=run, tags={"data": "x"})
        second = registry.register("quartet-a", run=with_model(store, "b")[0], tags={})
        registry.set_alias(first, "champion")
        registry.tag(first, {"data": "y"})
        registry.describe(first, "the first")
        assert [version.number for version in registry.versions("quartet-a")] == [1, 2]
        assert registry.versions("quartet-a")[0].tags["data"] == "y"
        assert registry.aliases("quartet-a") == {"champion": 1}
        registry.set_alias(second, "champion")
        assert registry.aliases("quartet-a") == {"champion": 2}
        registry.drop_alias("quartet-a", "champion")
        assert registry.aliases("quartet-a") == {}
    found = client(store).get_model_version("quartet-a", "1")
    assert (found.run_id, found.description, str(first)) == (run, "the first", "v1")
    place = client(store).get_logged_model(model)
    assert client(store).get_model_version_download_uri("quartet-a", "1") == place.artifact_location
    assert json.loads(place.tags["mlflow.modelVersions"]) == [{"name": "quartet-a", "version": 1}]
    assert list(tmp_path.iterdir()) == []


def test_refusals_of_the_store_are_quartet_errors(store: MLflow) -> None:
    run = store.start(name="without", params={}, tags={})
    with pytest.raises(QuartetError, match="holds no model"), store.registry() as registry:
        registry.register("quartet-b", run=run, tags={})
    with pytest.raises(QuartetError, match=r"registry.*not found"), store.registry() as registry:
        registry.register("quartet-b", run="0" * 32, tags={})
    with pytest.raises(QuartetError, match="tracking=none"):
        NoTracking().registry()


def test_runs_are_found_by_tags_until_deleted(store: MLflow) -> None:
    old = store.start(name="old", params={}, tags={"kind": "comparison", "folder": "/it's/here"})
    new = store.start(name="new", params={}, tags={"kind": "comparison", "folder": "/it's/here"})
    other = store.start(name="other", params={}, tags={"kind": "comparison", "links": f"{old} {new}"})
    assert store.find({"kind": "comparison", "folder": "/it's/here"}) == [old, new]
    assert store.find({"links": f"%{new}%"}) == [other]
    assert store.find({"folder": "/nowhere"}) == []
    store.metrics(old, {"a": 0.1 + 0.2}, step=3)
    store.tags(old, {"kind": None, "more": "yes"})
    known = store.run_data(old)
    assert known is not None
    assert known.metrics == {"a": 0.1 + 0.2}
    assert "kind" not in known.tags
    assert known.tags["more"] == "yes"
    client(store).delete_run(old)
    assert store.run_data(old) is None
    assert store.run_data("0" * 32) is None
    assert store.find({"folder": "/it's/here"}) == [new]


def test_a_table_is_written_in_place_of_an_earlier_one(store: MLflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)  # load_table asks the global store whatever its client's is
    run = store.start(name="table", params={}, tags={})
    for value in (1.0, 0.1 + 0.2):
        store.table(run, "tables/a.json", [{"net": "cnn", "accuracy": value}, {"net": "rnn", "loss": None}])
    frame = client(store).load_table("1", "tables/a.json", run_ids=[run])
    assert list(frame.columns) == ["net", "accuracy", "loss"]
    assert frame["net"].tolist() == ["cnn", "rnn"]
    assert frame["accuracy"][0] == 0.1 + 0.2


def test_looking_for_a_store_makes_none(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/none.db"
    assert not MLflow(uri=uri, experiment="quartet", system_metrics=False, model=True).store_readable()
    away = MLflow(uri="http://127.0.0.1:9", experiment="quartet", system_metrics=False, model=True)
    assert not away.store_readable()
    assert not NoTracking().store_readable()
    assert list(tmp_path.iterdir()) == []
