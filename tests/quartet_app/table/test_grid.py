"""A table in a copy of the repository: several runs at once, each cached by DVC."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from listening import open_to_others, watched
from running import ROOT, command, copy_project, environment

from quartet.types import QuartetError
from quartet_app.commands.grid import main
from quartet_app.table import executors
from quartet_app.table.executors import GPUPool, concurrent_runs, on_ray
from quartet_app.table.grid import run_all, run_table
from quartet_app.table.make import LINKS, PARAMS, add_lines, dvc_config, make_table
from quartet_app.table.table_runs import TableRun, dvc, outdated_runs

FEW = ["budget='4 steps'", "validate_every='2 steps'", "trainer.threads=1"]


@pytest.fixture
def project(tmp_path: Path, own: Path) -> Path:
    folder = copy_project(tmp_path / "project")
    series = ["data=own_series", f"data.source.file={own}/series.npz", *FEW]
    table(folder, "mnist1d_cnn", "mnist1d_rnn")
    params = yaml.safe_load((folder / "mine/params.yaml").read_text())
    params |= {"seeds": [0, 1], "overrides": {name: [*series] for name in params["experiments"]}}
    (folder / "mine/params.yaml").write_text(yaml.safe_dump(params))
    return folder


def table(folder: Path, *experiments: str) -> None:
    done = quartet(folder, "table", "mine", *experiments)
    assert done.returncode == 0, done.stderr


def one(name: str, devices: int, accelerator: str) -> TableRun:
    return TableRun(name, devices, accelerator, (f"train@{name}", f"evaluate@{name}"))


def quartet(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quartet_app", *arguments],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=500,
    )  # fmt: skip


def test_the_shipped_grid_has_the_graph_of_the_project() -> None:
    for name in ("dvc.yaml", ".dvcignore"):
        assert (ROOT / "grid" / name).read_text() == (ROOT / name).read_text(), "run quartet table grid"
    for name in LINKS:
        assert (ROOT / "grid" / name).resolve() == ROOT / name


def test_a_table_outside_the_project_or_without_experiments_is_refused(tmp_path: Path) -> None:
    for arguments, message in (
        ([str(tmp_path), "cnn"], "a table is a folder within"),
        (["nowhere", "cn"], "cn: no such experiment; did you mean cnn"),
        (["nowhere", "own_images_cn"], "own_images_cn: no such experiment; did you mean own_images"),
        (["nowhere"], "no experiments given"),
        (["nowhere", "cnn", "net.widht=3"], "net.widht: no such key; did you mean net.width"),
        (["nowhere", "own_images_cnn", "data.source.folder=photoss"], "data.source.folder: there is no photoss"),
        (["grid", "cnn"], "is there already"),
    ):
        done = command("table", *arguments, cwd=ROOT, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
    assert not (ROOT / "nowhere").exists()


def graph_of_one(folder: Path, stage: str) -> None:
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"long": {"cmd": stage, "outs": ["made"]}}}))
    for arguments in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(arguments, cwd=folder, check=True)


def test_the_log_of_a_stage_can_be_read_while_it_runs(tmp_path: Path) -> None:
    graph_of_one(tmp_path, "echo begun && until [ -e go ]; do sleep 0.1; done; touch made; echo done")
    log = tmp_path / "logs" / "long.log"
    with ThreadPoolExecutor(1) as pool:
        output = pool.submit(dvc, tmp_path, "repro", log=log)
        try:
            while not (log.exists() and "\nbegun\n" in log.read_text()):
                assert not output.done(), output.result()
                time.sleep(0.1)
        finally:
            (tmp_path / "go").touch()
    assert output.result() == log.read_text()
    assert "\ndone\n" in output.result()


def test_a_table_locked_by_another_dvc_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph_of_one(tmp_path, "touch began && sleep 60")
    other = subprocess.Popen([sys.executable, "-m", "dvc", "repro", "-q"], cwd=tmp_path, start_new_session=True)
    try:
        while not (tmp_path / "began").exists():
            assert other.poll() is None
            time.sleep(0.1)
        monkeypatch.setattr("quartet_app.table.table_runs.TRIES", 1)
        with pytest.raises(
            QuartetError, match=rf"another DVC is at work here: \(PID {other.pid}\).*\nwait for it to end"
        ):
            dvc(tmp_path, "repro")
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()


def test_a_lost_run_counts_as_failed(tmp_path: Path) -> None:
    def submit(run: TableRun) -> Future[float]:
        future: Future[float] = Future()
        future.set_exception(OSError("lost")) if run.name == "a-0" else future.set_result(1.0)
        return future

    assert run_all(tmp_path, submit, [one("a-0", 1, "auto"), one("b-0", 1, "auto")]) == {"a-0": "lost"}


@pytest.mark.slow
def test_a_run_that_fails_on_ray_gives_one_line(tmp_path: Path) -> None:
    with on_ray(tmp_path, None, 1) as submit:
        failures = run_all(tmp_path, submit, [one("a-0", 1, "auto")])
        with pytest.raises(QuartetError, match=r"b-0: 500 CPUs and 0 GPUs asked for, Ray has 1 machine with"):
            submit(one("b-0", 500, "cpu"))
    assert failures == {"a-0": f"failed; see {tmp_path / 'runs/grid/train-a-0.log'}"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "--jobs: given 0, needs at least 1"),
        (["--ray", "auto", "--cpus", "-2"], "--cpus: given -2, needs at least 1"),
        (["--ray", "auto", "--jobs", "2"], "--jobs: given 2 with --ray"),
        (["--cpus", "2"], "--cpus: given 2 without --ray"),
    ],
)
def test_an_option_without_effect_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(QuartetError, match=f"^{message}"):
        main(["grid", *arguments])


@pytest.mark.parametrize("seeds", ["seeds=0,1", "seed=3", "seeds=[0,1]"])
def test_seeds_of_a_table_are_edited_in_its_params(seeds: str) -> None:
    with pytest.raises(QuartetError, match=r"lists its seeds in params.yaml; make the table, then edit them there"):
        make_table(ROOT / "no_such_table", ["cnn"], [seeds])
    assert not (ROOT / "no_such_table").exists()


def test_ray_is_not_started_where_all_runs_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / ".dvc").mkdir()
    stages: list[str] = []

    def dvc(table: Path, *words: str, **_: Any) -> str:
        stages.append(words[-1])
        return ""

    monkeypatch.setattr("quartet_app.table.grid.dvc", dvc)
    monkeypatch.setattr("quartet_app.table.grid.update_graph", lambda _: None)
    monkeypatch.setattr("quartet_app.table.grid.table_runs", lambda _: [one("a-0", 1, "cpu")])
    monkeypatch.setattr("quartet_app.table.grid.outdated_runs", lambda *_: [])
    monkeypatch.setattr("quartet_app.table.grid.on_ray", lambda *_: pytest.fail("started for nothing"))
    run_table(tmp_path, jobs=None, ray="auto", cpus=1)
    assert stages == ["prepare", "compare"], "the report is made all the same"


def test_warnings_around_the_json_of_dvc_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = 'WARNING: "{a}" is deprecated\n{"train@a-0": [{"changed deps": {"x": "modified"}}]}\nWARNING: {b} is too\n'
    monkeypatch.setattr("quartet_app.table.table_runs.dvc", lambda *_: output)
    stale, current = one("a-0", 1, "cpu"), one("b-0", 1, "cpu")
    assert outdated_runs(tmp_path, [stale, current]) == [stale]


def test_concurrent_runs_have_a_core_or_a_gpu_for_each_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "cores", lambda: 8)
    single, pair, many = one("a-0", 1, "cpu"), one("b-0", 2, "auto"), one("c-0", 16, "cpu")
    assert concurrent_runs([single], 0) == 8
    assert concurrent_runs([single, pair], 0) == 4
    assert concurrent_runs([single, many], 0) == 1
    assert concurrent_runs([single, pair], 3) == 3, "they wait for GPUs"
    assert concurrent_runs([single], 3) == 8, "a run on the CPU takes no GPU"


def test_concurrent_processes_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads_by_run: dict[str, int] = {}
    monkeypatch.setattr(executors, "cores", lambda: 8)
    monkeypatch.setattr(executors, "gpus", lambda: ["0", "1"])
    monkeypatch.setattr(
        executors, "execute", lambda _, run, threads, **__: threads_by_run.update({run.name: threads}) or 0.0
    )
    runs = [one("a-0", 1, "cpu"), one("b-0", 2, "cpu"), one("c-0", 2, "gpu")]
    with executors.on_this_machine(tmp_path, 2, runs) as submit:
        assert not run_all(tmp_path, submit, runs)
    assert threads_by_run == {"a-0": 4, "b-0": 2, "c-0": 4}


def test_gpus_keep_their_names_in_cuda_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for shown, names in (("2,3", ["2", "3"]), ("GPU-5c,GPU-7d", ["GPU-5c", "GPU-7d"]), ("1,0,-1,4", ["1", "0"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
        assert executors.gpus() == names
        with GPUPool(executors.gpus()).reserved(one("a-0", 1, "gpu")) as reserved:
            assert reserved == {"CUDA_VISIBLE_DEVICES": names[0]}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert executors.gpus() == ["0", "1"]


def test_each_run_has_gpus_of_its_own() -> None:
    devices = GPUPool(["0", "1", "2", "3"])
    pair, single = one("a-0", 2, "gpu"), one("b-0", 1, "auto")
    with devices.reserved(pair) as first, devices.reserved(single) as second:
        assert (first, second) == ({"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2"})
        shown: list[dict[str, str]] = []

        def wait() -> None:
            with devices.reserved(pair) as third:
                shown.append(third)

        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        assert not shown, "one is free, two are needed"
    waiting.join(10)
    assert shown == [{"CUDA_VISIBLE_DEVICES": "0,1"}]
    assert devices.free == ["0", "1", "2", "3"]
    for other in (one("c-0", 1, "cpu"), one("d-0", 5, "gpu")):
        with devices.reserved(other) as nothing:
            assert nothing == {}


def test_overrides_of_a_new_table_apply_to_all_its_experiments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from quartet_app.config.composing import compose
    from quartet_app.config.table.params import read_params
    from quartet_app.table.make import relative_override

    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert relative_override(Path("mine"), "data.source.folder=photos") == "data.source.folder=../photos"
    assert relative_override(Path("mine"), "data.source.folder=nowhere") == "data.source.folder=nowhere"
    assert relative_override(Path("mine"), "net=photos") == "net=photos"
    text = PARAMS.format(
        experiments='["own_images_cnn"]', overrides='\n  own_images_cnn: ["data.source.folder=../photos"]'
    )
    (tmp_path / "params.yaml").write_text(text)
    read = read_params(tmp_path / "params.yaml")
    assert read.overrides == {"own_images_cnn": ["data.source.folder=../photos"]}
    assert compose(read.overrides_for("own_images_cnn"))["experiment"] == "own_images_cnn"


@pytest.mark.slow
def test_a_table_is_trained_compared_and_then_cached(project: Path) -> None:
    done = quartet(project, "grid", "mine", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 runs, of which 0 are there already" in done.stdout
    entries = json.loads((project / "mine/reports/results.json").read_text())
    assert {(entry["experiment"], entry["seed"]) for entry in entries} == {
        (f"mnist1d_{net}", seed) for net in ("cnn", "rnn") for seed in (0, 1)
    }
    sizes = {entry["parameters"] for entry in entries}
    assert max(sizes) / min(sizes) < 1.04  # each within 2 % of match.parameters
    assert (project / "mlflow.db").exists(), "one store for all tables"
    assert not (project / "mine/mlflow.db").exists()
    again = quartet(project, "grid", "mine")
    assert "4 runs, of which 4 are there already" in again.stdout
    assert not (project / "results").exists(), "the project's own table is another"


@pytest.mark.slow
def test_a_failing_run_does_not_stop_the_others(project: Path) -> None:
    path = project / "mine/params.yaml"
    params = yaml.safe_load(path.read_text())
    params["overrides"]["mnist1d_rnn"].append("optimizer.lr=1e30")  # diverges
    path.write_text(yaml.safe_dump(params))
    done = quartet(project, "grid", "mine")
    assert done.returncode == 2
    assert "2 of 4 runs failed: " in done.stderr
    assert "diverged" in (project / "mine/runs/grid/train-mnist1d_rnn-0.log").read_text()
    assert (project / "mine/results/mnist1d_cnn/1/evaluate/metrics.json").exists()
    params["overrides"]["mnist1d_rnn"].pop()
    path.write_text(yaml.safe_dump(params))
    done = quartet(project, "grid", "mine")
    assert done.returncode == 0, done.stderr
    assert "4 runs, of which 2 are there already" in done.stdout


def lengthen(project: Path) -> None:
    """Give the table's runs enough steps that they can be interrupted."""
    path = project / "mine/params.yaml"
    params = yaml.safe_load(path.read_text())
    for overrides in params["overrides"].values():
        overrides[-3:-1] = ["budget='400 steps'", "validate_every='20 steps'"]
    path.write_text(yaml.safe_dump(params))


@pytest.mark.slow
@pytest.mark.parametrize("executor", [["--jobs", "2"], ["--ray", "local"]])
def test_the_processes_of_a_table_die_with_it_and_it_goes_on_at_once(project: Path, executor: list[str]) -> None:
    lengthen(project)
    words = [sys.executable, "-m", "quartet_app", "grid", "mine", *executor]
    process = subprocess.Popen(words, cwd=project, env=environment(project), stdout=subprocess.DEVNULL)
    begun = time.monotonic()
    while not list((project / "mine/runs").glob("mnist1d_*-0-*/checkpoints/last.ckpt")):
        assert process.poll() is None
        assert time.monotonic() - begun < 300
        time.sleep(0.1)
    stages = [one for one in psutil.process_iter(["cmdline"]) if of_table(one, project)]
    assert len(stages) >= 2, "DVC and a stage"
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(stages, timeout=10)
    try:
        assert not alive
    finally:
        for one in alive:
            one.kill()
    done = quartet(project, "grid", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads((project / "mine/reports/results.json").read_text())) == 4


def of_table(process: psutil.Process, project: Path) -> bool:
    """Return whether a process is DVC or a stage at work in the table."""
    words = process.info["cmdline"] or []
    try:
        return {"dvc", "pipelines/train.py"} & set(words) != set() and process.cwd() == str(project / "mine")
    except psutil.Error:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "all_of_them", "executor"),
    [("INT", True, ["--jobs", "1"]), ("TERM", False, ["--jobs", "1"]), ("INT", False, ["--ray", "local"])],
)
def test_an_interrupted_table_resumes(project: Path, sent: str, all_of_them: bool, executor: list[str]) -> None:
    lengthen(project)
    process = subprocess.Popen(
        [sys.executable, "-m", "quartet_app", "grid", "mine", *executor],
        cwd=project, env=environment(project), start_new_session=True,
    )  # fmt: skip
    begun = time.monotonic()
    while not list((project / "mine/runs").glob("mnist1d_cnn-0-*/checkpoints/last.ckpt")):
        assert process.poll() is None
        assert time.monotonic() - begun < 200
        time.sleep(0.2)
    # A terminal sends the signal to all processes, a cluster's scheduler to the first one only.
    (os.killpg if all_of_them else os.kill)(process.pid, getattr(signal, f"SIG{sent}"))
    assert process.wait(100) == 128 + signal.SIGINT
    (state,) = (project / "mine/runs").glob("mnist1d_cnn-0-*/state.json")
    assert json.loads(state.read_text())["status"] == "KILLED"
    with state.with_name("lock").open() as lock:  # no process trains any longer
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    done = quartet(project, "grid", "mine")
    assert done.returncode == 0, done.stderr
    assert len(json.loads((project / "mine/reports/results.json").read_text())) == 4


@pytest.mark.slow
def test_a_table_on_a_ray_cluster(project: Path) -> None:
    with watched() as watch:
        done = quartet(project, "grid", "mine", "--ray", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not open_to_others(watch.end()), "somebody on another machine could connect"
    assert len(json.loads((project / "mine/reports/results.json").read_text())) == 4


def test_what_a_person_adds_to_a_tables_own_files_stays(tmp_path: Path) -> None:
    """`quartet table .` and an update of the project write these files anew."""
    (tmp_path / "config").write_text("[core]\nremote = mine\n['remote \"mine\"']\nurl = /backup\n")
    for _ in range(2):
        (tmp_path / "config").write_text(dvc_config(Path(".."), own=tmp_path / "config"))
    held = (tmp_path / "config").read_text()
    for line in ("remote = mine", "url = /backup", "analytics = false", "[cache]"):
        assert held.count(line) == 1
    add_lines(tmp_path / "ignored", "/data/\n/runs/\n")
    assert (tmp_path / "ignored").read_text() == "/data/\n/runs/\n"
    (tmp_path / "ignored").write_text("/runs/\n/notes/")
    for _ in range(2):
        add_lines(tmp_path / "ignored", "/data/\n/runs/\n")
    assert (tmp_path / "ignored").read_text() == "/runs/\n/notes/\n/data/\n"
