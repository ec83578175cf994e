"""Lineage of runs that were really trained, by everything that a person may have of them; and their repeats."""

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

from quartet.types import QuartetError
from quartet_app.comparison.report import compare, evaluated
from quartet_app.config.composing import compose
from quartet_app.provenance.find_run import find_run
from quartet_app.provenance.lineage import lineage
from quartet_app.provenance.repeat import repeat
from quartet_app.provenance.text import text
from quartet_app.run.evaluate import evaluate
from quartet_app.run.train import train

Small = Callable[..., list[str]]
TRACKED = ("tracking=mlflow", "tracking.model=false", "tracking.system_metrics=false")


def again(asked: str, *, anyway: bool = False) -> int:
    return repeat(find_run(asked), anyway=anyway, as_json=False)


@pytest.fixture(scope="module")
def project(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one row of a report, tracked in a database of its own, and registered. The tests leave it alone."""
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        row = Path("results/cnn/0")
        train({**compose(small("cnn", *TRACKED)), "out": str(row / "train")})
        evaluate(row / "train", out=row / "evaluate")
        compare(evaluated([row]), out=Path("reports"))
    client, run = MlflowClient(f"sqlite:///{folder}/mlflow.db"), facts(row_of(folder))["mlflow_run_id"]
    client.create_registered_model("quartet-classify")
    for _ in range(2):
        client.create_model_version("quartet-classify", source=f"runs:/{run}/model", run_id=run)
    client.set_registered_model_alias("quartet-classify", "champion", "2")
    return folder


def row_of(project: Path) -> Path:
    return project / "results" / "cnn" / "0" / "train"


@pytest.fixture
def there(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as the working directory."""
    monkeypatch.chdir(project)
    return project


def test_every_way_to_a_run(there: Path) -> None:
    kept, run = facts(row_of(there)), only_run(there)
    ways = [
        kept["mlflow_run_id"], kept["mlflow_run_id"][:8], kept["fingerprint"][:8], kept["config_hash"], run.name,
        kept["data_digest"][:6], "cnn-0", "cnn/0", "reports/results.json#cnn-0", "results/cnn/0", str(run),
        f"{run}/checkpoints/best.ckpt", "results/cnn/0/train/model.safetensors", "results/cnn/0/evaluate",
        "results/cnn/0/evaluate/metrics.json", "quartet-classify@champion", "quartet-classify/1",
        "models:/quartet-classify@champion", "models:/quartet-classify/2", f"runs:/{kept['mlflow_run_id']}/model",
    ]  # fmt: skip
    for way in ways:
        assert find_run(way).facts["mlflow_run_id"] == kept["mlflow_run_id"], way


def test_what_a_lineage_tells(there: Path) -> None:
    kept, run = facts(row_of(there)), only_run(there)
    told = lineage(find_run("quartet-classify@champion"))
    assert told["name"] == "cnn-0"
    assert told["fingerprint"] == kept["fingerprint"]
    assert told["code"]["at_hand"]
    assert told["data"]["digest"] == kept["data_digest"]
    assert told["data"]["same"]
    assert told["data"]["licence"] == "your own data, under your own terms"
    assert told["data"]["source"]["file"].endswith("images.npz")
    assert told["trained_on"]["threads"] == 1
    assert told["environment"]["torch"]
    assert told["result"]["weights"]["intact"]
    assert told["sweep"] is None
    made = told["made"]
    assert set(made["folders"]) == {f"runs/{run.name}", "results/cnn/0/train"}
    metrics = json.loads((there / "results/cnn/0/evaluate/metrics.json").read_text())
    evaluated = made["evaluated"]["results/cnn/0/evaluate/metrics.json"]
    assert evaluated == {key: value for key, value in metrics.items() if key.startswith("test/")}
    assert made["report"] == "reports/results.json"
    assert [(one["version"], one["aliases"]) for one in made["registered"]] == [(1, []), (2, ["champion"])]
    said = text(told)
    for part in (
        kept["git_commit"],
        kept["data_digest"][:12],
        "quartet-classify version 2 @champion",
        "seed",
        "32-true",
    ):
        assert part in said, part


def test_a_changed_file_and_a_changed_report_are_told(project: Path, here: Path) -> None:
    for name in ("results", "reports"):
        shutil.copytree(project / name, here / name)
    path = row_of(here) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    rows = json.loads((here / "reports" / "results.json").read_text())
    (here / "reports" / "results.json").write_text(json.dumps([{**rows[0], "git_commit": "f" * 40}]))
    told = lineage(find_run("results/cnn/0"))
    assert told["result"]["weights"]["intact"] is False
    assert "NOT what training wrote" in text(told)
    assert told["made"]["report"] is None
    assert told["made"]["report_shows_another"]


def test_a_row_of_a_table_within(project: Path, here: Path) -> None:
    shutil.copytree(project / "results", here / "grid" / "results")
    kept = facts(row_of(here / "grid"))
    for way in ("cnn-0", kept["fingerprint"][:8]):
        assert find_run(way).folder == Path("grid/results/cnn/0/train")
    assert lineage(find_run("cnn-0"))["made"]["evaluated"].keys() == {"grid/results/cnn/0/evaluate/metrics.json"}


def test_a_row_is_that_of_the_report_that_is_named(project: Path, here: Path) -> None:
    for name in ("results", "reports"):
        shutil.copytree(project / name, here / "grid" / name)
    shutil.copytree(project / "results", here / "results")
    path = row_of(here) / "run.json"
    other = {"fingerprint": "f" * 64, "config_hash": "f" * 64, "mlflow_run_id": "f" * 32}
    path.write_text(json.dumps({**facts(row_of(here)), **other}))
    assert find_run("cnn-0").folder == Path("results/cnn/0/train")
    cell = find_run("grid/reports/results.json#cnn-0")
    assert cell.folder == Path("grid/results/cnn/0/train")
    assert lineage(cell)["made"]["report"] == "grid/reports/results.json"
    elsewhere = find_run(f"{project}/reports/results.json#cnn-0")
    assert elsewhere.facts["fingerprint"] == cell.facts["fingerprint"]
    for row in ("cnn-7", "rnn-0"):
        with pytest.raises(QuartetError, match=f"results.json#{row}: there is no such row"):
            find_run(f"grid/reports/results.json#{row}")
    shutil.rmtree(here / "grid" / "results")
    with pytest.raises(QuartetError, match="its run lies neither here nor in MLflow"):
        find_run("grid/reports/results.json#cnn-0")


def test_a_row_of_the_same_name_in_another_table_is_not_this_one(project: Path, here: Path) -> None:
    shutil.copytree(project / "results", here / "grid" / "results")
    shutil.copytree(project / "reports", here / "reports")
    rows = json.loads((here / "reports" / "results.json").read_text())
    (here / "reports" / "results.json").write_text(json.dumps([{**rows[0], "config_hash": "f" * 64}]))
    made = lineage(find_run("grid/results/cnn/0"))["made"]
    assert made["report"] is None
    assert made["report_shows_another"] is False, "the table has no report yet"


def test_where_only_mlflow_is_left(project: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = facts(row_of(project))
    shutil.copyfile(project / "mlflow.db", here / "mlflow.db")
    shutil.copytree(project / "reports", here / "reports")
    for way in (kept["mlflow_run_id"], kept["fingerprint"][:8], "quartet-classify@champion", "cnn-0"):
        found = find_run(way)
        assert found.facts["fingerprint"] == kept["fingerprint"], way
        assert found.config["net"]["width"] == 8
    assert again(kept["mlflow_run_id"]) == 0
    assert "same to the bit" in capsys.readouterr().out


def test_where_only_mlflows_database_is_left(project: Path, here: Path) -> None:
    kept = facts(row_of(project))
    shutil.copyfile(project / "mlflow.db", here / "mlflow.db")
    (project / "mlruns").rename(project / "elsewhere")
    try:
        found = find_run(kept["mlflow_run_id"])
        assert lineage(found)["data"]["digest"] == kept["data_digest"]
        assert kept["git_commit"] in text(lineage(found))
        with pytest.raises(QuartetError, match="nothing to compare"):
            repeat(found, anyway=False, as_json=False)
    finally:
        (project / "elsewhere").rename(project / "mlruns")


def test_a_server_that_is_down_keeps_nobody_from_what_lies_here(project: Path, here: Path) -> None:
    shutil.copytree(project / "runs", here / "runs")
    run = only_run(here)
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "tracking_uri": "http://127.0.0.1:9"}))
    told = lineage(find_run("cnn-0"))
    assert told["data"]["digest"] == facts(run)["data_digest"]
    assert "no MLflow server answers at http://127.0.0.1:9" in text(told)


def test_what_is_not_one_run_is_refused(small: Small, here: Path) -> None:
    for seed in (0, 1):
        train(compose(small("cnn", f"seed={seed}", steps=2)))
    digest = find_run("cnn-1").facts["data_digest"]
    with pytest.raises(QuartetError, match="2 runs") as several:
        find_run(digest[:8])
    assert all(part in str(several.value) for part in ("cnn-0", "cnn-1", "data digest", "runs/cnn-1-"))
    for asked in ("cnn-7", "quartet-classify@champion", "quartet-classify/3", "0" * 32, "ab", "nothing"):
        with pytest.raises(QuartetError):
            find_run(asked)


def test_an_unfinished_run(small: Small, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("quartet_app.run.launch.launch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(compose(small("cnn")))
    told = lineage(find_run("cnn-0"))
    assert told["status"] == "KILLED"
    assert told["result"] is None
    assert "killed" in text(told)
    with pytest.raises(QuartetError, match="has not ended"):
        again("cnn-0")


@pytest.mark.parametrize("experiment", ["rnn", "gan"])
def test_a_repeat_is_the_same_to_the_bit(
    experiment: str, small: Small, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compose(small(experiment)))
    run = only_run(here)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert again(f"{experiment}-0") == 0
    assert "same to the bit" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before, (
        "the run itself is read only"
    )
    assert not list((here / "runs" / "repeats").iterdir()), "a repeat that is the same leaves nothing"


def test_a_cell_of_a_table_is_repeated_from_above(
    small: Small, here: Path, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(own / "images.npz", here / "mine.npz")
    (here / "table").mkdir()
    monkeypatch.chdir(here / "table")
    train(compose(small("cnn", "data.source.file=../mine.npz", steps=2)))
    monkeypatch.chdir(here)
    told = lineage(find_run("cnn-0"))["data"]
    assert told["same"], "its data lie in the table"
    assert told["folder"].startswith("table/")
    assert again("cnn-0") == 0
    assert "same to the bit" in capsys.readouterr().out
    assert {path.name for path in here.iterdir()} == {"mine.npz", "runs", "table"}, "nothing was prepared anew"
    assert not list((here / "runs" / "repeats").iterdir())


def test_a_repeat_that_is_different_says_in_what(small: Small, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert again("cnn-0") == 1
    said = capsys.readouterr().out
    assert f"1 of {len(values)} tensors differ, by at most 0.25 ({name})" in said
    assert "was changed after training; the repeat wrote the same weights again" in said
    assert "first after" not in said
    restored()

    # A curve's number.
    (run / "train.csv").write_text((run / "train.csv").read_text().replace("\n32,", "\n32,9", 1))
    assert again("cnn-0") == 1
    assert "first after 32 samples: train/" in capsys.readouterr().out
    restored()

    # Another training: what it says is its own, not the run's files read twice.
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("seed: 0\nbudget", "seed: 1\nbudget"))
    with pytest.raises(QuartetError, match=r"config\.yaml was changed"):
        again("cnn-0")
    assert again(str(run), anyway=True) == 1
    said = capsys.readouterr().out
    assert "first after 16 samples: train/loss" in said
    assert "val/loss" in said
    assert "tensors differ" in said
    kept = list((here / "runs" / "repeats").iterdir())
    assert len(kept) == 3, "what is different is kept, to be looked at"
    assert not np.array_equal(weights(max(kept))[name], weights(run)[name])


def test_other_data_are_refused(small: Small, here: Path, own: Path) -> None:
    shutil.copyfile(own / "images.npz", here / "mine.npz")
    train(compose(small("cnn", "data.source.file=mine.npz", steps=2)))
    with np.load(here / "mine.npz") as archive:
        np.savez(here / "mine.npz", x=archive["x"][::-1], y=archive["y"])
    with pytest.raises(QuartetError, match="the data is not this run's"):
        again("cnn-0")
    assert lineage(find_run("cnn-0"))["data"]["same"] is False, "prepared anew, by the repeat that was refused"


def test_a_repeat_that_breaks_off_is_not_called_different(small: Small, here: Path) -> None:
    train(compose(small("cnn")))
    run = only_run(here)
    (rows,) = here.rglob("x_train.npy")
    rows.write_bytes(bytes(rows.stat().st_size))
    done = command("trace", "--repeat", str(run), cwd=here, check=False)
    assert done.returncode == 2
    assert "broke off, and nothing was compared" in done.stderr
    assert "Traceback" in done.stderr
    assert list((here / "runs" / "repeats").iterdir()) == []
    (run / "run.json").write_text("{")
    assert lineage(find_run(str(run)))["result"] is None
    with pytest.raises(QuartetError, match="has not ended, or its files are gone"):
        again(str(run))


@pytest.mark.slow
def test_two_devices_are_repeated_as_two(small: Small, tmp_path: Path) -> None:
    command("train", *small("cnn", "trainer.devices=2", "trainer.accelerator=cpu"), cwd=tmp_path)
    done = command("trace", "--repeat", "cnn-0", cwd=tmp_path)
    assert "same to the bit" in done.stdout
    told = json.loads(command("trace", "cnn-0", "--json", cwd=tmp_path).stdout)
    assert told["trained_on"]["devices"] == 2
    said = json.loads(command("trace", "cnn-0", "--repeat", "--json", cwd=tmp_path).stdout)
    assert said["same"]
    assert said["differences"] == []


@pytest.mark.slow
def test_trials_of_a_sweep(small: Small, tmp_path: Path) -> None:
    tiny = [word for word in small("mnist1d_cnn", steps=60) if not word.startswith(("tracking", "validate"))]
    sweep = ["-m", "hydra/sweeper=ray", *tiny, *TRACKED, "validate_every='12 steps'", "hydra.sweeper.max_batch_size=1",
             f"hydra.sweeper.observer.tuned={tmp_path}/tuned"]  # fmt: skip
    command("train", *sweep, "optimizer.lr=0.01,1e-9,2e-9", cwd=tmp_path)
    (study,) = (tmp_path / "runs" / "multirun").iterdir()
    states = {path.name: json.loads((path / "state.json").read_text()) for path in study.glob("[0-9]")}
    stopped = next(number for number in states if facts(study / number)["stopped_early"])
    told = json.loads(command("trace", states["0"]["mlflow_run_id"], "--json", cwd=tmp_path).stdout)
    assert told["sweep"]["folder"] == study.relative_to(tmp_path).as_posix()
    assert told["sweep"]["trial"] == 0
    assert told["sweep"]["values"] == {"optimizer.lr": 0.01} or told["sweep"]["values"] == {"optimizer.lr": "0.01"}
    assert "hydra/sweeper=ray" in told["command"], "what was typed, not what a worker of Ray was started with"
    assert (
        f"tuned_from: {study.relative_to(tmp_path).as_posix()}/0" in (tmp_path / "tuned/mnist1d_cnn.yaml").read_text()
    )
    refused = command("trace", told["sweep"]["parent"], cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert f"is no training but a study; its winner is {states['0']['mlflow_run_id']}" in refused.stderr
    for number in ("0", stopped):
        done = command("trace", "--repeat", str(study / number), cwd=tmp_path)
        assert "same to the bit" in done.stdout


def test_a_trial_that_was_changed_under_way_is_not_repeated(small: Small, here: Path) -> None:
    train(compose(small("cnn", steps=2)), place=here / "runs/multirun/a/0")
    run = here / "runs/multirun/a/0"
    sweep = {"folder": "runs/multirun/a", "trial": 0, "parent": None}
    (run / "run.json").write_text(json.dumps({**facts(run), "sweep": sweep}))
    events = [{"event": "start", "trial": 0, "values": {"optimizer.lr": 0.1}, "overrides": [], "folder": str(run)}]
    events.append({"event": "change", "trial": 0, "values": {"optimizer.lr": 0.2}, "overrides": []})
    (run.parent / "trials.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events) + '{"event": "rep')
    assert lineage(find_run(str(run)))["sweep"]["values"] == {"optimizer.lr": 0.1}
    with pytest.raises(QuartetError, match="changed under way"):
        again(str(run))


def test_a_winner_and_what_was_trained_with_it_know_each_other(small: Small, here: Path) -> None:
    train(compose(small("cnn", steps=2)), place=here / "runs/multirun/a/0")
    train(compose(small("cnn", "seed=1", "tuned_from=runs/multirun/a/0", steps=2)))
    (here / "tuned").mkdir()
    (here / "tuned" / "cnn.yaml").write_text("tuned_from: runs/multirun/a/0\n")
    found = find_run("tuned/cnn.yaml")
    assert found.folder == Path("runs/multirun/a/0")
    run = only_run(here).relative_to(here).as_posix()
    assert lineage(found)["made"]["tuned_runs"] == [run]
    assert "runs/multirun/a/0 (a trial" in text(lineage(find_run(run)))


@pytest.mark.slow
def test_a_dirty_work_tree_comes_back(small: Small, tmp_path: Path) -> None:
    project = copy_repository(tmp_path / "project")
    shutil.copyfile(ROOT / ".gitignore", project / ".gitignore")

    def shell(words: str, *, code: int = 0, cwd: Path = project) -> str:
        env = {**environment(project), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, shell=True, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
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
    told = shell("python -m quartet_app trace cnn-3")
    assert "2 changed (src/quartet/nets/cnn.py, src/quartet/nets/mine.py)" in told
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


def test_a_listing_needs_nothing_heavy_and_refuses_in_two_lines(tmp_path: Path) -> None:
    done = command("trace", "nothing", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2
    assert not done.stdout
    assert not list(tmp_path.iterdir()), "looking makes nothing"
