"""A comparison in MLflow, of runs that were really trained."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from quartet.report import Run
from quartet.tracking import MLflow
from quartet_app.commands import compare
from quartet_app.comparison.in_mlflow import table_name, title, track
from quartet_app.config.project import REPOSITORY
from quartet_app.provenance.find_run import find_run
from quartet_app.provenance.lineage import lineage

PARENT = "mlflow.parentRunId"


def client() -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")


def comparisons() -> list[Any]:
    return list(client().search_runs(["1"], "tags.kind = 'comparison'"))


def below(parent: str) -> set[str]:
    return {run.info.run_name for run in client().search_runs(["1"], f"tags.`{PARENT}` = '{parent}'")}


def folders(folder: Path) -> list[str]:
    return [str(path) for path in sorted((folder / "runs").glob("mnist1d_*"))]


def artifact(run: str, path: str, where: Path) -> Path:
    return Path(client().download_artifacts(run, path, str(where)))


def test_the_tables_of_a_project_have_comparisons_of_different_names(tmp_path: Path) -> None:
    assert [title(REPOSITORY / name) for name in ("reports", "grid/reports")] == ["reports", "grid/reports"]
    assert title(tmp_path / "mine") == "mine"
    assert [table_name(REPOSITORY / name) for name in ("reports", "grid/reports", "two")] == ["quartet", "grid", "two"]


@pytest.mark.slow
def test_a_comparison_is_the_parent_of_its_runs_and_has_their_metrics(grid: Path) -> None:
    compare.main([*folders(grid), "--out", "reports"])
    (parent,) = comparisons()
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["folder"] == str(grid / "reports")
    assert below(parent.info.run_id) == {f"mnist1d_{net}-{seed}" for net in ("cnn", "rnn") for seed in (0, 1)}

    results = json.loads((grid / "reports" / "results.json").read_text())
    for entry in results:
        run = client().get_run(entry["mlflow_run_id"])
        test = {name: value for name, value in entry["metrics"].items() if name.startswith("test/")}
        assert test
        assert {name: run.data.metrics[name] for name in test} == test
        chosen = entry["metrics"]["val/accuracy"]
        assert run.data.metrics["best/accuracy"] == chosen
        for key in ("experiment", "net", "task", "method", "data", "seed"):
            assert run.data.tags[key] == str(entry[key])
    cnn = [entry["metrics"]["test/accuracy"] for entry in results if entry["net"] == "cnn"]
    assert len(cnn) == 2
    assert parent.data.metrics["mnist1d_cnn/test/accuracy"] == fmean(cnn)
    assert math.isclose(parent.data.metrics["mnist1d_cnn/test/accuracy/std"], np.std(cnn, ddof=1))

    (grid / "got").mkdir()
    for name in ("results.json", "statistics.json", "index.html", "report.md"):
        got = artifact(parent.info.run_id, name, grid / "got")
        assert got.read_text() == (grid / "reports" / name).read_text()
    table = json.loads(artifact(parent.info.run_id, "tables/classify.json", grid / "got").read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [row["test/loss"] for row in rows] == [entry["metrics"]["test/loss"] for entry in results]
    drawn = {file.path for file in client().list_artifacts(parent.info.run_id, "figures")}
    assert drawn == {f"figures/{name}_classify_own_series.png" for name in ("curves", "costs")}


@pytest.mark.slow
def test_a_repeated_comparison_updates_the_same_mlflow_run(grid: Path) -> None:
    compare.main([*folders(grid)])
    compare.main([*folders(grid)])
    (parent,) = comparisons()
    compare.main([*folders(grid)[:2]])  # as after an edit of params.yaml
    (parent,) = comparisons()
    assert parent.info.status == "FINISHED"
    assert below(parent.info.run_id) == {"mnist1d_cnn-0", "mnist1d_cnn-1"}
    assert math.isfinite(parent.data.metrics["mnist1d_cnn/test/accuracy"])
    assert math.isnan(parent.data.metrics["mnist1d_rnn/test/accuracy"])
    (gone,) = client().search_runs(["1"], "tags.net = 'rnn' and tags.seed = '0'")
    assert not {PARENT, "comparisons", "study"} & set(gone.data.tags)
    assert len(client().search_runs(["1"], "tags.study = 'quartet'")) == 2


@pytest.mark.slow
def test_runs_of_one_experiment_with_different_settings_are_separate_rows(grid: Path) -> None:
    for path in grid.glob("runs/mnist1d_cnn-1-*/config.yaml"):
        path.write_text(path.read_text().replace("lr: ", "lr: 1"))
    compare.main(folders(grid)[:2])
    rows = [entry["experiment"] for entry in json.loads(Path("reports/results.json").read_text())]
    assert [row.split("=")[0] for row in rows] == ["mnist1d_cnn optimizer.lr"] * 2
    assert len(set(rows)) == 2
    (parent,) = comparisons()
    assert f"{rows[1].replace('=', '_')}/test/accuracy" in parent.data.metrics
    found = lineage(find_run("mnist1d_cnn-1"))
    assert found["made"]["report"] == "reports/results.json"
    compare.main(folders(grid)[:1])
    (parent,) = comparisons()
    assert math.isnan(parent.data.metrics[f"{rows[1].replace('=', '_')}/test/accuracy"])
    assert math.isfinite(parent.data.metrics["mnist1d_cnn/test/accuracy"])


@pytest.mark.slow
def test_a_run_with_a_parent_keeps_it_and_is_only_linked(grid: Path) -> None:
    (trial,) = client().search_runs(["1"], "tags.net = 'cnn' and tags.seed = '0'")
    tracker = MLflow(uri=None, experiment="quartet", system_metrics=False, model=False)
    sweep = tracker.start(name="sweep", params={}, tags={"kind": "study"})
    tracker.tags(trial.info.run_id, {PARENT: sweep, "study": "monday", "trial": "0"})
    compare.main([*folders(grid)])
    compare.main([*folders(grid), "--out", "mine"])
    mine, first = comparisons()
    assert below(sweep) == {"mnist1d_cnn-0"}
    assert below(first.info.run_id) == {"mnist1d_cnn-1", "mnist1d_rnn-0", "mnist1d_rnn-1"}
    assert below(mine.info.run_id) == set()
    for run in client().search_runs(["1"], "tags.task = 'classify'"):
        assert run.data.tags["study"] == ("monday" if run.info.run_id == trial.info.run_id else "quartet")
        assert run.data.tags["comparisons"] == f"{first.info.run_id} {mine.info.run_id}"
    client().delete_run(first.info.run_id)  # a deleted parent gives its runs free
    compare.main([*folders(grid), "--out", "mine"])
    assert below(mine.info.run_id) == {"mnist1d_cnn-1", "mnist1d_rnn-0", "mnist1d_rnn-1"}


@pytest.mark.slow
def test_the_best_model_is_registered_and_predicts(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import mlflow

    compare.main([*folders(grid), "--register"])
    results = json.loads(Path("reports/results.json").read_text())
    nets = {net: [e for e in results if e["net"] == net] for net in ("cnn", "rnn")}
    net = max(nets, key=lambda net: fmean(e["metrics"]["val/accuracy"] for e in nets[net]))
    best = max(nets[net], key=lambda entry: entry["metrics"]["val/accuracy"])
    output = capsys.readouterr().out
    assert f"quartet-classify v1 (mnist1d_{net}, seed {best['seed']}): champion-own_series, champion; val acc" in output
    version = client().get_model_version_by_alias("quartet-classify", "champion")
    assert version.run_id == best["mlflow_run_id"]
    mlflow.set_tracking_uri(f"sqlite:///{grid}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/quartet-classify@champion-own_series")
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None is what takes the setting back
    assert len(model.predict(np.zeros((3, 40), np.float32))) == 3
    compare.main([*folders(grid), "--register"])
    assert "champion-own_series, as before" in capsys.readouterr().out
    assert len(client().search_model_versions("name = 'quartet-classify'")) == 1


@pytest.mark.slow
def test_without_its_store_a_comparison_still_writes_its_files(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mlflow.db").unlink()
    compare.main([*folders(grid), "--register"])
    output = capsys.readouterr().out
    assert f"sqlite:///{grid}/mlflow.db is not there, or holds none of the runs" in output
    assert Path("reports/results.json").exists()
    assert not Path("mlflow.db").exists()


def record(**changes: Any) -> Run:
    none = {"_target_": "quartet.tracking.NoTracking"}
    return Run({"experiment": "a", "mlflow_run_id": "", "config": {"tracking": none}, **changes})


def test_runs_that_were_not_tracked_are_left_out(tmp_path: Path) -> None:
    assert track([record()], out=tmp_path, registers=False) == []
    assert track([record()], out=tmp_path, registers=True) == ["nothing registered: none of the runs was tracked"]


def test_runs_of_several_stores_make_no_comparison(tmp_path: Path) -> None:
    tracking = {"_target_": "quartet.tracking.MLflow", "experiment": "q", "system_metrics": False, "model": False}
    configs = [{"tracking": {**tracking, "uri": f"sqlite:///{tmp_path}/{name}.db"}} for name in "ab"]
    runs = [record(mlflow_run_id=str(i), config=config) for i, config in enumerate(configs)]
    (line,) = track(runs, out=tmp_path, registers=True)
    assert "several stores" in line
    assert list(tmp_path.iterdir()) == []
