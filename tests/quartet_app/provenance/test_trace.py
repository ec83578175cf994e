"""The lineage and the repeats of runs that were really trained."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import ROOT, command, copy_repository, environment, facts, only_run, weights

from quartet.data.preparing.store import content_digest, manifest_digest
from quartet.types import QuartetError
from quartet_app.comparison.report import load_evaluated, write_report
from quartet_app.config.composing import compose
from quartet_app.provenance.find_run import find_run
from quartet_app.provenance.lineage import lineage
from quartet_app.provenance.repeat import repeat
from quartet_app.provenance.text import text
from quartet_app.run.evaluate import evaluate
from quartet_app.run.train import train

Small = Callable[..., list[str]]
TRACKED = ("tracking=mlflow", "tracking.model=false", "tracking.system_metrics=false")


def repeat_run(query: str, *, anyway: bool = False) -> int:
    return repeat(find_run(query), anyway=anyway, as_json=False)


@pytest.fixture(scope="module")
def project(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one evaluated, tracked and registered run and its report. The tests do not change it."""
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        row = Path("results/cnn/0")
        train({**compose(small("cnn", *TRACKED)), "out": str(row / "train")})
        evaluate(row / "train", out=row / "evaluate")
        write_report(load_evaluated([row]), out=Path("reports"))
    client, run = MlflowClient(f"sqlite:///{folder}/mlflow.db"), facts(result_folder(folder))["mlflow_run_id"]
    client.create_registered_model("quartet-classify")
    for _ in range(2):
        client.create_model_version("quartet-classify", source=f"runs:/{run}/model", run_id=run)
    client.set_registered_model_alias("quartet-classify", "champion", "2")
    return folder


def result_folder(project: Path) -> Path:
    return project / "results" / "cnn" / "0" / "train"


@pytest.fixture
def project_here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as the working directory."""
    monkeypatch.chdir(project)
    return project


def test_a_run_is_found_by_each_kind_of_name(project_here: Path) -> None:
    expected, run = facts(result_folder(project_here)), only_run(project_here)
    ways = [
        expected["mlflow_run_id"], expected["mlflow_run_id"][:8], expected["fingerprint"][:8],
        expected["config_hash"], run.name, expected["data_digest"][:6],
        "cnn-0", "cnn/0", "reports/results.json#cnn-0", "results/cnn/0", str(run),
        f"{run}/checkpoints/best.ckpt", "results/cnn/0/train/model.safetensors", "results/cnn/0/evaluate",
        "results/cnn/0/evaluate/metrics.json", "quartet-classify@champion", "quartet-classify/1",
        "models:/quartet-classify@champion", "models:/quartet-classify/2", f"runs:/{expected['mlflow_run_id']}/model",
    ]  # fmt: skip
    for way in ways:
        assert find_run(way).facts["mlflow_run_id"] == expected["mlflow_run_id"], way


def test_a_lineage_shows_code_data_results_and_versions(project_here: Path) -> None:
    expected, run = facts(result_folder(project_here)), only_run(project_here)
    found = lineage(find_run("quartet-classify@champion"))
    assert found["name"] == "cnn-0"
    assert found["fingerprint"] == expected["fingerprint"]
    assert found["code"]["at_hand"]
    assert found["data"]["digest"] == expected["data_digest"]
    assert found["data"]["same"]
    assert found["data"]["licence"] == "your own data, under your own terms"
    assert found["data"]["source"]["file"].endswith("images.npz")
    assert found["trained_on"]["threads"] == 1
    assert found["environment"]["torch"]
    assert found["result"]["weights"]["intact"]
    assert found["sweep"] is None
    made = found["made"]
    assert set(made["folders"]) == {f"runs/{run.name}", "results/cnn/0/train"}
    metrics = json.loads((project_here / "results/cnn/0/evaluate/metrics.json").read_text())
    evaluated = made["evaluated"]["results/cnn/0/evaluate/metrics.json"]
    assert evaluated == {key: value for key, value in metrics.items() if key.startswith("test/")}
    assert made["report"] == "reports/results.json"
    assert [(version["version"], version["aliases"]) for version in made["registered"]] == [(1, []), (2, ["champion"])]
    output = text(found)
    for part in (
        expected["git_commit"],
        expected["data_digest"][:12],
        "quartet-classify version 2 @champion",
        "seed",
        "32-true",
    ):
        assert part in output, part


def test_a_lineage_shows_changed_weights_and_a_report_of_another_run(project: Path, here: Path) -> None:
    for name in ("results", "reports"):
        shutil.copytree(project / name, here / name)
    path = result_folder(here) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    rows = json.loads((here / "reports" / "results.json").read_text())
    (here / "reports" / "results.json").write_text(json.dumps([{**rows[0], "git_commit": "f" * 40}]))
    found = lineage(find_run("results/cnn/0"))
    assert found["result"]["weights"]["intact"] is False
    assert "NOT what training wrote" in text(found)
    assert found["made"]["report"] is None
    assert found["made"]["report_shows_another"]


def test_a_row_of_a_table_below_is_found(project: Path, here: Path) -> None:
    shutil.copytree(project / "results", here / "grid" / "results")
    expected = facts(result_folder(here / "grid"))
    for way in ("cnn-0", expected["fingerprint"][:8]):
        assert find_run(way).folder == Path("grid/results/cnn/0/train")
    assert lineage(find_run("cnn-0"))["made"]["evaluated"].keys() == {"grid/results/cnn/0/evaluate/metrics.json"}


def test_a_row_is_searched_in_the_report_that_is_named(project: Path, here: Path) -> None:
    for name in ("results", "reports"):
        shutil.copytree(project / name, here / "grid" / name)
    shutil.copytree(project / "results", here / "results")
    path = result_folder(here) / "run.json"
    other = {"fingerprint": "f" * 64, "config_hash": "f" * 64, "mlflow_run_id": "f" * 32}
    path.write_text(json.dumps({**facts(result_folder(here)), **other}))
    assert find_run("cnn-0").folder == Path("results/cnn/0/train")
    row = find_run("grid/reports/results.json#cnn-0")
    assert row.folder == Path("grid/results/cnn/0/train")
    assert lineage(row)["made"]["report"] == "grid/reports/results.json"
    elsewhere = find_run(f"{project}/reports/results.json#cnn-0")
    assert elsewhere.facts["fingerprint"] == row.facts["fingerprint"]
    for name in ("cnn-7", "rnn-0"):
        with pytest.raises(QuartetError, match=f"results.json#{name}: there is no such row"):
            find_run(f"grid/reports/results.json#{name}")
    shutil.rmtree(here / "grid" / "results")
    with pytest.raises(QuartetError, match="its run lies neither here nor in MLflow"):
        find_run("grid/reports/results.json#cnn-0")


def test_rows_of_the_same_name_in_two_tables_stay_apart(project: Path, here: Path) -> None:
    shutil.copytree(project / "results", here / "grid" / "results")
    shutil.copytree(project / "reports", here / "reports")
    rows = json.loads((here / "reports" / "results.json").read_text())
    (here / "reports" / "results.json").write_text(json.dumps([{**rows[0], "config_hash": "f" * 64}]))
    made = lineage(find_run("grid/results/cnn/0"))["made"]
    assert made["report"] is None
    assert made["report_shows_another"] is False, "the table has no report yet"


def test_a_run_whose_folder_is_gone_is_restored_from_mlflow(
    project: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = facts(result_folder(project))
    shutil.copyfile(project / "mlflow.db", here / "mlflow.db")
    shutil.copytree(project / "reports", here / "reports")
    for way in (expected["mlflow_run_id"], expected["fingerprint"][:8], "quartet-classify@champion", "cnn-0"):
        found = find_run(way)
        assert found.facts["fingerprint"] == expected["fingerprint"], way
        assert found.config["net"]["width"] == 8
    assert repeat_run(expected["mlflow_run_id"]) == 0
    assert "same to the bit" in capsys.readouterr().out


def test_a_run_whose_files_are_gone_still_has_a_lineage(project: Path, here: Path) -> None:
    expected = facts(result_folder(project))
    shutil.copyfile(project / "mlflow.db", here / "mlflow.db")
    (project / "mlruns").rename(project / "elsewhere")
    try:
        found = find_run(expected["mlflow_run_id"])
        assert lineage(found)["data"]["digest"] == expected["data_digest"]
        assert expected["git_commit"] in text(lineage(found))
        with pytest.raises(QuartetError, match="nothing to compare"):
            repeat(found, anyway=False, as_json=False)
    finally:
        (project / "elsewhere").rename(project / "mlruns")


def test_local_facts_are_shown_while_the_server_is_down(project: Path, here: Path) -> None:
    shutil.copytree(project / "runs", here / "runs")
    run = only_run(here)
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "tracking_uri": "http://127.0.0.1:9"}))
    found = lineage(find_run("cnn-0"))
    assert found["data"]["digest"] == facts(run)["data_digest"]
    assert "no MLflow server answers at http://127.0.0.1:9" in text(found)


def test_a_query_that_matches_no_run_or_several_is_refused(small: Small, here: Path) -> None:
    for seed in (0, 1):
        train(compose(small("cnn", f"seed={seed}", steps=2)))
    digest = find_run("cnn-1").facts["data_digest"]
    with pytest.raises(QuartetError, match="2 runs") as several:
        find_run(digest[:8])
    assert all(part in str(several.value) for part in ("cnn-0", "cnn-1", "data digest", "runs/cnn-1-"))
    for query in ("cnn-7", "quartet-classify@champion", "quartet-classify/3", "0" * 32, "ab", "nothing"):
        with pytest.raises(QuartetError):
            find_run(query)


def test_an_unfinished_run_has_a_lineage_but_no_repeat(
    small: Small, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("quartet_app.run.workers.launch.launch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(compose(small("cnn")))
    found = lineage(find_run("cnn-0"))
    assert found["status"] == "KILLED"
    assert found["result"] is None
    assert "killed" in text(found)
    with pytest.raises(QuartetError, match="has not ended"):
        repeat_run("cnn-0")


@pytest.mark.parametrize("experiment", ["rnn", "gan"])
def test_a_repeat_is_the_same_to_the_bit(
    experiment: str, small: Small, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compose(small(experiment)))
    run = only_run(here)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert repeat_run(f"{experiment}-0") == 0
    assert "same to the bit" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before, (
        "the run itself is read only"
    )
    assert not list((here / "runs" / "repeats").iterdir()), "a repeat that is the same leaves nothing"


def test_a_run_of_a_table_is_repeated_from_the_folder_above(
    small: Small, here: Path, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(own / "images.npz", here / "mine.npz")
    (here / "table").mkdir()
    monkeypatch.chdir(here / "table")
    train(compose(small("cnn", "data.source.file=../mine.npz", steps=2)))
    monkeypatch.chdir(here)
    found = lineage(find_run("cnn-0"))["data"]
    assert found["same"], "its data lie in the table"
    assert found["folder"].startswith("table/")
    assert repeat_run("cnn-0") == 0
    assert "same to the bit" in capsys.readouterr().out
    assert {path.name for path in here.iterdir()} == {"mine.npz", "runs", "table"}, "nothing was prepared anew"
    assert not list((here / "runs" / "repeats").iterdir())


@pytest.mark.parametrize("place", ["results/handed", "runs", "."])
def test_a_run_from_somebody_else_is_repeated_where_the_caller_stands(
    place: str, project: Path, here: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = tmp_path_factory.mktemp("stranger")
    shutil.copytree(only_run(project), stranger / place / "cnn-0")
    before = sorted(stranger.rglob("*"))
    assert repeat_run(str(stranger / place / "cnn-0")) == 0
    assert "same to the bit" in capsys.readouterr().out
    assert sorted(stranger.rglob("*")) == before, "nothing was prepared beside it"
    assert list((here / "runs" / "data").iterdir())


def test_a_different_repeat_lists_its_differences(small: Small, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.numpy import save_file

    train(compose(small("cnn", "trainer.threads=null")))
    run = only_run(here)
    whole = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}

    def restored() -> None:
        for path, content in whole.items():
            path.write_bytes(content)

    # One weight of the run's file.
    values = weights(run)
    name = next(name for name, value in values.items() if value.ndim > 1)
    values[name].flat[0] += 0.25
    save_file(values, run / "model.safetensors")
    assert repeat_run("cnn-0") == 1
    output = capsys.readouterr().out
    assert f"1 of {len(values)} tensors differ, by at most 0.25 ({name})" in output
    assert "was changed after training; the repeat wrote the same weights again" in output
    assert "first after" not in output
    restored()

    # A curve's number.
    (run / "train.csv").write_text((run / "train.csv").read_text().replace("\n32,", "\n32,9", 1))
    assert repeat_run("cnn-0") == 1
    assert "first after 32 samples: train/" in capsys.readouterr().out
    restored()

    # Another seed: the comparison reads the repeat's own files, not the run's files twice.
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("seed: 0\nbudget", "seed: 1\nbudget"))
    with pytest.raises(QuartetError, match=r"config\.yaml was changed"):
        repeat_run("cnn-0")
    assert repeat_run(str(run), anyway=True) == 1
    output = capsys.readouterr().out
    assert "first after 16 samples: train/loss" in output
    assert "val/loss" in output
    assert "tensors differ" in output
    repeats = list((here / "runs" / "repeats").iterdir())
    assert len(repeats) == 3, "different repeats are kept, to be looked at"
    assert not np.array_equal(weights(max(repeats))[name], weights(run)[name])


def test_a_repeat_on_changed_data_is_refused(small: Small, here: Path, own: Path) -> None:
    shutil.copyfile(own / "images.npz", here / "mine.npz")
    train(compose(small("cnn", "data.source.file=mine.npz", steps=2)))
    with np.load(here / "mine.npz") as archive:
        np.savez(here / "mine.npz", x=archive["x"][::-1], y=archive["y"])
    with pytest.raises(QuartetError, match="the data is not this run's"):
        repeat_run("cnn-0")
    assert lineage(find_run("cnn-0"))["data"]["same"] is False, "prepared anew, by the repeat that was refused"


@pytest.mark.slow
def test_a_repeat_that_breaks_off_is_an_error_and_no_difference(small: Small, here: Path) -> None:
    train(compose(small("cnn")))
    run = only_run(here)
    (rows,) = here.rglob("x_train.npy")
    rows.write_bytes(bytes(rows.stat().st_size))
    manifest = json.loads(rows.with_name("manifest.json").read_text())
    manifest["digest"] = content_digest(rows.parent, manifest["files"])  # as if these zeros had been prepared
    manifest["manifest"] = manifest_digest(manifest)
    rows.with_name("manifest.json").write_text(json.dumps(manifest))
    done = command("trace", "--repeat", "--anyway", str(run), cwd=here, check=False)
    assert done.returncode == 2
    assert "broke off, and nothing was compared" in done.stderr
    assert "Traceback" in done.stderr
    assert list((here / "runs" / "repeats").iterdir()) == []
    (run / "run.json").write_text("{")
    assert lineage(find_run(str(run)))["result"] is None
    with pytest.raises(QuartetError, match="has not ended, or its files are gone"):
        repeat_run(str(run))


@pytest.mark.slow
def test_a_run_on_two_devices_is_repeated_on_two(small: Small, tmp_path: Path) -> None:
    command("train", *small("cnn", "trainer.devices=2", "trainer.accelerator=cpu"), cwd=tmp_path)
    done = command("trace", "--repeat", "cnn-0", cwd=tmp_path)
    assert "same to the bit" in done.stdout
    found = json.loads(command("trace", "cnn-0", "--json", cwd=tmp_path).stdout)
    assert found["trained_on"]["devices"] == 2
    output = json.loads(command("trace", "cnn-0", "--repeat", "--json", cwd=tmp_path).stdout)
    assert output["same"]
    assert output["differences"] == []


@pytest.mark.slow
def test_trials_are_traced_and_repeated(small: Small, tmp_path: Path) -> None:
    tiny = [word for word in small("mnist1d_cnn", steps=60) if not word.startswith(("tracking", "validate"))]
    sweep = ["-m", "hydra/sweeper=ray", *tiny, *TRACKED, "validate_every='12 steps'", "hydra.sweeper.max_batch_size=1",
             f"hydra.sweeper.observer.tuned={tmp_path}/tuned"]  # fmt: skip
    command("train", *sweep, "optimizer.lr=0.01,1e-9,2e-9", cwd=tmp_path)
    (sweep_folder,) = (tmp_path / "runs" / "multirun").iterdir()
    states = {path.name: json.loads((path / "state.json").read_text()) for path in sweep_folder.glob("[0-9]")}
    stopped = next(number for number in states if facts(sweep_folder / number)["stopped_early"])
    found = json.loads(command("trace", states["0"]["mlflow_run_id"], "--json", cwd=tmp_path).stdout)
    assert found["sweep"]["folder"] == sweep_folder.relative_to(tmp_path).as_posix()
    assert found["sweep"]["trial"] == 0
    assert found["sweep"]["values"] == {"optimizer.lr": 0.01} or found["sweep"]["values"] == {"optimizer.lr": "0.01"}
    assert "hydra/sweeper=ray" in found["command"], "the person's command, not that of a Ray worker"
    assert (
        f"tuned_from: {sweep_folder.relative_to(tmp_path).as_posix()}/0"
        in (tmp_path / "tuned/mnist1d_cnn.yaml").read_text()
    )
    refused = command("trace", found["sweep"]["parent"], cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert f"is no training but a study; its winner is {states['0']['mlflow_run_id']}" in refused.stderr
    for number in ("0", stopped):
        done = command("trace", "--repeat", str(sweep_folder / number), cwd=tmp_path)
        assert "same to the bit" in done.stdout


def test_a_trial_whose_values_changed_during_training_is_not_repeated(small: Small, here: Path) -> None:
    train(compose(small("cnn", steps=2)), folder=here / "runs/multirun/a/0")
    run = here / "runs/multirun/a/0"
    sweep = {"folder": "runs/multirun/a", "trial": 0, "parent": None}
    (run / "run.json").write_text(json.dumps({**facts(run), "sweep": sweep}))
    events = [{"event": "start", "trial": 0, "values": {"optimizer.lr": 0.1}, "overrides": [], "folder": str(run)}]
    events.append({"event": "change", "trial": 0, "values": {"optimizer.lr": 0.2}, "overrides": []})
    (run.parent / "trials.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "rep')
    assert lineage(find_run(str(run)))["sweep"]["values"] == {"optimizer.lr": 0.1}
    with pytest.raises(QuartetError, match="changed its values or weights during training"):
        repeat_run(str(run))


def test_a_winning_trial_and_runs_with_its_values_link_to_each_other(small: Small, here: Path) -> None:
    train(compose(small("cnn", steps=2)), folder=here / "runs/multirun/a/0")
    train(compose(small("cnn", "seed=1", "tuned_from=runs/multirun/a/0", steps=2)))
    (here / "tuned").mkdir()
    (here / "tuned" / "cnn.yaml").write_text("tuned_from: runs/multirun/a/0\n")
    found = find_run("tuned/cnn.yaml")
    assert found.folder == Path("runs/multirun/a/0")
    run = only_run(here).relative_to(here).as_posix()
    assert lineage(found)["made"]["tuned_runs"] == [run]
    assert "runs/multirun/a/0 (a trial" in text(lineage(find_run(run)))


@pytest.mark.slow
def test_the_code_of_a_dirty_work_tree_can_be_restored(small: Small, tmp_path: Path) -> None:
    project = copy_repository(tmp_path / "project")
    shutil.copyfile(ROOT / ".gitignore", project / ".gitignore")

    def shell(line: str, *, code: int = 0, cwd: Path = project) -> str:
        env = {**environment(project), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(line, shell=True, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    shell("git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -qm all")
    train_py = ["python", "-m", "quartet_app", "train", *small("cnn"), "seed=3"]
    net = project / "src" / "quartet" / "nets" / "cnn.py"
    clean = net.read_text()
    net.write_text(clean + "\n# a thought\n")
    (project / "src" / "quartet" / "nets" / "mine.py").write_text('"""A net of mine."""\n')
    subprocess.run(train_py, cwd=project, env=environment(project), check=True, capture_output=True, timeout=300)
    run = next((project / "runs").glob("cnn-3-*"))
    assert facts(run)["git_commit"].endswith("-dirty")
    found = shell("python -m quartet_app trace cnn-3")
    assert "2 changed (src/quartet/nets/cnn.py, src/quartet/nets/mine.py)" in found
    assert "same to the bit" in shell("python -m quartet_app trace --repeat cnn-3")

    net.write_text(clean)
    (project / "src" / "quartet" / "nets" / "mine.py").unlink()
    refused = shell("python -m quartet_app trace --repeat cnn-3", code=2)
    assert "the code at hand is not this run's" in refused
    steps = [line.strip() for line in refused.splitlines() if line.startswith("  ")]
    assert len(steps) == 3
    shell(" && ".join(steps[:2]))
    assert "same to the bit" in shell(steps[2])

    net.write_text(clean.replace("self.rectify(x + self.branch(x))", "self.rectify(0.5 * x + self.branch(x))"))
    assert net.read_text() != clean
    assert "different" in shell("python -m quartet_app trace --repeat cnn-3 --anyway", code=1)


def test_an_unknown_run_is_refused_in_two_lines_and_nothing_is_written(tmp_path: Path) -> None:
    done = command("trace", "nothing", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2
    assert not done.stdout
    assert not list(tmp_path.iterdir()), "looking makes nothing"
