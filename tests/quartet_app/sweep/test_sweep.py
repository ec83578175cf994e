"""Sweeps of real training on real Ray: each trial is a run below its sweep in MLflow; the winner becomes a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import running
from hydra.core.override_parser.overrides_parser import OverridesParser
from sweeping import begun, journal, samples_reported, statuses, tracked, wait_for_reports

from quartet_app.config.composing import compose

Small = Callable[..., list[str]]


def test_each_trial_is_a_run_below_its_sweep(here: Path, sweep_overrides: Any) -> None:
    # Only the first rate learns, so the two later trials are stopped early.
    done = running.command(
        "train", *sweep_overrides("optimizer.lr=0.01,1e-9,2e-9", "hydra.sweeper.max_batch_size=1"), cwd=here
    )
    folder = here / "sweep"
    assert statuses(folder)[0] == "finished"
    assert "stopped" in statuses(folder).values()

    runs = {run.data.tags.get("trial", "study"): run for run in tracked(here)}
    assert set(runs) == {"study", "0", "1", "2"}
    parent = runs.pop("study")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["winner"] == runs["0"].info.run_id
    figures = here / "mlruns" / parent.info.run_id / "artifacts" / "figures"
    assert {path.name for path in figures.iterdir()} == {"learning_curves.png", "parallel_coordinates.png"}
    for number, run in runs.items():
        trial_folder = folder / number
        stopped = statuses(folder)[int(number)] == "stopped"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == ("KILLED" if stopped else "FINISHED")
        assert run.data.tags["stopped_early"] == ("true" if stopped else "false")
        assert run.data.tags["winner"] == ("true" if number == "0" else "false")
        # A stopped trial too leaves its files, weights, curves and metrics.
        facts = running.facts(trial_folder)
        assert facts["mlflow_run_id"] == run.info.run_id
        assert facts["config_hash"] == run.data.tags["config_hash"]
        assert facts["samples_seen"] == int(running.curve(trial_folder, "val")[-1]["samples"])
        assert (facts["samples_seen"] < running.facts(folder / "0")["samples_seen"]) == stopped
        assert running.weights(trial_folder)
        assert not any(name.startswith("test") for name in run.data.metrics)
        reports = [
            event["metrics"]
            for event in journal(folder)
            if event["event"] == "report" and event["trial"] == int(number)
        ]
        assert [row["samples"] for row in reports] == [
            float(row["samples"]) for row in running.curve(trial_folder, "val")
        ]

    assert "best: trial 0 · optimizer.lr=0.01" in done.stdout
    text = (here / "tuned" / "mnist1d_cnn.yaml").read_text()
    assert "3 trials" in text
    assert "val/accuracy" in text
    assert "lr: 0.01" in text


def test_the_winners_file_composes_the_winning_config(here: Path) -> None:
    from types import SimpleNamespace as Namespace

    from hydra_plugins.quartet_ray_sweeper._overrides import parse
    from quartet_app.config.options import tuning_trials
    from quartet_app.config.resolved import save_config
    from quartet_app.config.table.tuned import conditions, found_with
    from quartet_app.sweep.tuned import write_tuned

    def write(*tried: str) -> tuple[Path, str]:
        save_config(compose(["experiment=cnn", *tried]), here / "7" / "config.yaml")
        # What the journal says of the overrides is not asked: it may come from somebody else, and conf/ is trusted.
        best = Namespace(
            folder=str(here / "7"), overrides=["net._target_=evil"], values={}, number=7, status="finished"
        )
        study = Namespace(
            folder=here, metrics=("objective",), searched=[best], best=[best], repeated_scores=lambda _: [],
            space=parse(["experiment=cnn", *tried], params={}, when={}, config_loader=None),
        )  # fmt: skip
        return write_tuned(study, best, own)  # type: ignore[arg-type]

    own = here / "conf" / "tuned"
    own.mkdir(parents=True)
    (own / "another.yaml").write_text("seed: 1\n")  # with a file in it, conf/ makes a project of its folder
    (here / "7").mkdir()
    (here / "7" / "run.json").write_text(
        json.dumps({"monitor": "val/accuracy", "metrics": {"val/accuracy": 0.9}, "samples_seen": 9})
    )
    tried = ["net=transformer", "optimizer=adamw", "optimizer.lr=0.003", "method.grad_clip_norm=null",
             "budget='3 epochs'",
             "seed=4", "trainer.devices=2"]  # fmt: skip
    _, before = write(*tried)
    assert before == ""
    tuned, plain = compose(["experiment=cnn", "tuned=cnn"]), compose(["experiment=cnn"])
    won = compose(["experiment=cnn", *tried])
    assert (tuning_trials(tuned), tuning_trials(plain)) == (1, 0)
    assert found_with("cnn") == conditions(won)
    assert found_with("cnn")["budget"] == "3 epochs"
    # A sweep that starts from this file keeps the values that it does not change, and names the file it replaces.
    _, before = write("tuned=cnn", "optimizer=sgd", "optimizer.lr=0.2")
    assert before.startswith("The best of a sweep: val/accuracy 0.9 after 9 samples. study:")
    again = compose(["experiment=cnn", "tuned=cnn"])
    assert again["net"] == won["net"]
    assert again["optimizer"] == compose(["experiment=cnn", "optimizer=sgd", "optimizer.lr=0.2"])["optimizer"]
    assert again["method"]["grad_clip_norm"] is None
    for part in ("net", "optimizer", "method", "data", "task"):
        assert tuned[part] == won[part]
    for part in ("budget", "seed", "trainer"):
        assert tuned[part] == plain[part]


@pytest.mark.parametrize(
    "experiment", ["mnist1d_cnn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("rnn", "transformer"))]
)
def test_the_end_of_a_sweeps_clock_is_the_end_of_training(here: Path, small: Small, experiment: str) -> None:
    from quartet_app.sweep.derived import budget_in_samples

    run = [*small(experiment, steps=7), "data.loading.limit_train=90"]
    running.command("train", *run, cwd=here)
    facts = running.facts(running.only_run(here))
    config = compose(run)
    assert budget_in_samples(config) == pytest.approx(facts["samples_seen"], rel=0.2)  # a batch of pairs varies
    epochs = {**config, "budget": "2 epochs"}
    assert budget_in_samples(epochs) == 180 if experiment != "rnn" else budget_in_samples(epochs) > 100


@pytest.mark.parametrize(
    ("budget", "time", "end"),
    [
        ("64 samples", "samples", 64),
        ("4 steps", "samples", 64),
        ("1e9 flops", "flops", 1e9),
        ("8 seconds", "seconds", 8),
    ],
)
def test_the_clock_of_a_sweep_follows_the_unit_of_its_budget(
    here: Path, sweep_overrides: Any, budget: str, time: str, end: float
) -> None:
    from quartet_app.sweep.derived import derived_overrides

    arguments = [word for word in sweep_overrides("optimizer.lr=0.1,0.2") if not word.startswith(("-m", "budget"))]
    added = derived_overrides(OverridesParser.create().parse_overrides([*arguments, f"budget='{budget}'"]))
    found = dict(override.split("=", 1) for override in added)
    assert found["hydra.sweeper.time"] == time
    assert float(found["hydra.sweeper.max_time"]) == end


def test_the_clock_ends_with_the_longest_profile(here: Path) -> None:
    from quartet_app.sweep.derived import _clock, _deciding_configs

    overrides = ["experiment=mnist1d_cnn", "profile=laptop,full"]
    configs = _deciding_configs(OverridesParser.create().parse_overrides(overrides))
    assert len(configs) == 2
    assert _clock(configs)[1] == max(_clock([config])[1] for config in configs)


@pytest.mark.slow
def test_nets_of_one_budget_in_operations_have_one_clock(here: Path, sweep_overrides: Any) -> None:
    # The second net needs several times as many operations a sample; both report until their own budget ends.
    arguments = sweep_overrides("net.width=8,24", "match.parameters=null", "hydra/sweeper/scheduler=fifo")
    budget = 1e9
    changed = [f"budget='{budget} flops'" if word.startswith("budget=") else word for word in arguments]
    running.command("train", *changed, "validate_every='2e8 flops'", cwd=here)
    folder = here / "sweep"
    assert set(statuses(folder).values()) == {"finished"}
    seen = {}
    for number in (0, 1):
        facts = running.facts(folder / str(number))
        events = [event for event in journal(folder) if event["event"] == "report" and event["trial"] == number]
        reports = [event["metrics"] for event in events]
        assert [row["flops"] for row in reports] == [row["samples"] * facts["flops"] for row in reports]
        assert budget <= reports[-1]["flops"] < 1.3 * budget
        assert facts["samples_seen"] == reports[-1]["samples"]
        seen[number] = facts["samples_seen"]
    assert seen[1] < 0.7 * seen[0]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["-m", "hydra/sweeper=ray", "experiment=cnn,rnn"], ("accuracy", "loss", "plain multirun")),
        (["sweep=cnn"], ("--multirun",)),
        (["-m", "sweep=cnn", "net.widht=choice(1,2)"], ("net.widht",)),
        (["-m", "sweep=cnnn"], ("sweep=cnn",)),
        (
            ["-m", "hydra/sweeper=ray", "experiment=mnist1d_cnn", "net.width=8,16"],
            ("net.width=8,16: match.parameters sets the width", "match.parameters=null"),
        ),
        (
            ["-m", "experiment=mnist1d_cnn", "net.width=8,16"],
            ("net.width=8,16: match.parameters sets the width", "match.parameters=null"),
        ),
        (["-m", "hydra/sweeper=ray", "net.width=8,16"], ("experiment", "not given")),
        (
            ["-m", "hydra/sweeper=ray", "experiment=cnn", "budget='1e9 flops','9 samples'"],
            ("budget: a sweep has one clock", "1e+09 flops and 9 samples"),
        ),
        (
            ["-m", "sweep=cnn", "hydra.sweeper.metric=test/accuracy", "hydra.sweeper.mode=max"],
            ("hydra.sweeper.metric: given test/accuracy", "val/"),
        ),
        (["-m", "sweep=cnn", "hydra.sweeper.metric=val/loss"], ("hydra.sweeper.mode: not given",)),
        (["-m", "sweep=cnn", "hydra/sweeper/scheduler=pbt"], ("net.width: population-based training", "dropout")),
        (["-m", "sweep=cnn", "~data.augment"], ("~data.augment", "conf/tuned/")),
    ],
)
def test_an_impossible_sweep_is_refused_in_one_line(here: Path, overrides: list[str], said: tuple[str, ...]) -> None:
    done = running.command("train", *overrides, cwd=here, check=False)
    assert done.returncode == 2
    for expected in said:
        assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert not (here / "runs" / "multirun").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sweep", ["cnn", "rnn", "transformer", "gan"])
def test_every_shipped_sweep_runs(here: Path, small: Small, sweep: str) -> None:
    tiny = [word for word in small(sweep) if not word.startswith(("experiment", "net."))]
    done = running.command(
        "train", "-m", f"sweep={sweep}", *tiny, "hydra.sweeper.trials=3", "hydra.sweep.dir=sweep",
        f"hydra.sweeper.observer.tuned={here}/tuned", cwd=here,
    )  # fmt: skip
    assert "3/3 trials" in done.stdout
    assert set(statuses(here / "sweep").values()) <= {"finished", "stopped"}


BREAKING = """
from ray.tune.schedulers import FIFOScheduler

class Scheduler(FIFOScheduler):
    def on_trial_result(self, controller, trial, result):
        raise OSError("the disk is full")

def optimizer(params, **options):
    raise ArithmeticError("it diverged")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (["hydra/sweeper/scheduler=own", "hydra.sweeper.scheduler._target_=breaking.Scheduler"], "the disk is full"),
        (["optimizer._target_=breaking.optimizer"], "all 2 trials failed; trial 0: ArithmeticError: it diverged"),
    ],
)
def test_a_sweep_that_breaks_off_has_status_failed(
    here: Path, sweep_overrides: Any, broken: list[str], said: str
) -> None:
    (here / "breaking").mkdir()
    (here / "breaking" / "__init__.py").write_text(BREAKING)
    path = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    arguments = sweep_overrides("optimizer.lr=0.01,0.02", *broken)
    done = running.command("train", *arguments, cwd=here, check=False, PYTHONPATH=path)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    (parent,) = [run for run in tracked(here) if run.data.tags.get("kind") == "study"]
    assert parent.info.status == "FAILED"
    assert {run.info.status for run in tracked(here)} <= {"FAILED", "KILLED"}


@pytest.mark.slow
def test_trials_on_two_devices_leave_no_process_behind(here: Path, sweep_overrides: Any) -> None:
    # The first trial learns and the second is stopped early. The third must still get its resources.
    rates = "optimizer.lr=0.01,1e-9,0.02"
    exact = ["trainer.precision=64-true", "trainer.sync_batch_norm=true", "net.dropout=0.0"]
    done = running.command("train", *sweep_overrides(rates, "trainer.devices=2", *exact), cwd=here)
    folder = here / "sweep"
    assert statuses(folder)[1] == "stopped", done.stdout
    assert set(statuses(folder)) == {0, 1, 2}
    for number in range(3):
        assert running.facts(folder / str(number))["devices"] == 2
    assert not subprocess.run(["pgrep", "-f", str(here)], capture_output=True, text=True, check=False).stdout
    # DDP in a trial gives the same weights as one process.
    alone = running.command(
        "train", *[word for word in sweep_overrides("optimizer.lr=0.01", *exact)[2:] if "hydra." not in word], cwd=here
    )
    assert alone.returncode == 0
    (run,) = running.runs(here)
    for name, weights in running.weights(run).items():
        np.testing.assert_allclose(weights, running.weights(folder / "0")[name], rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_trial_that_was_killed_resumes_and_gives_the_same_weights(here: Path, sweep_overrides: Any) -> None:
    arguments = sweep_overrides("optimizer.lr=0.01,0.02", "hydra/sweeper/scheduler=fifo", steps=120)
    folder = here / "sweep"
    process = begun(arguments, here)
    ready = folder / "0" / "checkpoints" / "last.ckpt"
    end = time.monotonic() + 120
    while not ready.exists():
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(3)
    assert statuses(folder) == {}
    running.command("train", *arguments, cwd=here)
    assert statuses(folder) == {0: "finished", 1: "finished"}
    assert {run.info.status for run in tracked(here)} == {"FINISHED"}
    assert len(tracked(here)) == 3  # a sweep and two trials, none begun twice

    running.command(
        "train", *[w for w in sweep_overrides("optimizer.lr=0.01", steps=120)[2:] if "hydra." not in w], cwd=here
    )
    (alone,) = running.runs(here)
    for name, weights in running.weights(alone).items():
        np.testing.assert_array_equal(weights, running.weights(folder / "0")[name])


@pytest.mark.slow
def test_a_resumed_sweep_warns_of_changed_code(here: Path, sweep_overrides: Any) -> None:
    project = running.copy_repository(here / "project")
    arguments = sweep_overrides(
        "optimizer.lr=0.01,0.02", "hydra.sweeper.max_batch_size=1", "hydra/sweeper/scheduler=fifo", steps=200
    )
    process = begun(arguments, here, project=project)
    wait_for_reports(here / "sweep", process, at_least=7)  # the second of two, each reports five times
    process.kill()
    process.communicate()
    assert statuses(here / "sweep") == {0: "finished"}
    with (project / "src" / "quartet" / "nets" / "cnn.py").open("a") as file:
        file.write("# another line\n")
    for warned in (True, False):
        process = begun(arguments, here, project=project)
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert ("the code has changed" in out) == warned
        assert ("1 trials were trained by the old code; from the start again: 1" in out) == warned
    seen = samples_reported(here / "sweep", 1)
    assert len(set(seen)) == 5
    assert len(seen) > 5
    assert len(tracked(here)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["pbt", "hyperband"])
def test_a_paused_trial_resumes_until_its_end(here: Path, sweep_overrides: Any, scheduler: str) -> None:
    four = ["optimizer.lr=tag(log, interval(1e-4, 1e-1))", "hydra.sweeper.trials=4", "hydra/sweeper/search=random"]
    arguments = sweep_overrides(*four, f"hydra/sweeper/scheduler={scheduler}", steps=100)
    running.command("train", *arguments, cwd=here)
    folder = here / "sweep"
    for number, status in statuses(folder).items():
        facts = running.facts(folder / str(number))
        reported = samples_reported(folder, number)
        assert facts["samples_seen"] == reported[-1]
        assert (facts["samples_seen"] == 100 * 16) == (status == "finished")
        assert facts["stopped_early"] == (status == "stopped")
    assert len(statuses(folder)) == 4


@pytest.mark.slow
def test_an_interrupted_sweep_resumes_its_trials(here: Path, sweep_overrides: Any) -> None:
    arguments = sweep_overrides(
        "optimizer.lr=1e-12,1e-11", "hydra/sweeper/scheduler=fifo", steps=1500
    )  # no trial improves on its first value
    arguments.append("validate_every='100 steps'")  # often, so that both still train when they are interrupted
    folder = here / "sweep"
    for times in (1, 2):
        process = begun(arguments, here)
        wait_for_reports(folder, process, at_least=2 * times)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=200)
        assert process.returncode == 130, err
        assert {run.info.status for run in tracked(here)} == {"KILLED"}
    running.command("train", *arguments, cwd=here)
    assert {run.info.status for run in tracked(here)} == {"FINISHED"}
    assert statuses(folder) == {0: "finished", 1: "finished"}
    for number in (0, 1):
        facts = running.facts(folder / str(number))
        assert (facts["samples_seen"], facts["stopped_early"]) == (1500 * 16, False)
        seen = samples_reported(folder, number)
        assert seen == sorted(set(seen))  # no validation was repeated


@pytest.mark.slow
def test_a_run_on_ray_resumes_after_the_loss_of_a_worker(here: Path, small: Small) -> None:
    tiny = small("mnist1d_cnn", "trainer.devices=2", steps=400)
    process = begun([*tiny, "launcher=ray"], here)
    run = wait_for_checkpoint(here, process)
    found = subprocess.run(["pgrep", "-f", "ray::.*TrainWorker"], capture_output=True, text=True, check=False).stdout
    os.kill(int(found.split()[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    assert "a worker was lost; resuming" in out
    # The weights are those that torch's launcher gives.
    weights = running.weights(run)
    running.command("train", *tiny, cwd=here)
    for name, other in running.weights(run).items():
        np.testing.assert_array_equal(weights[name], other)


def wait_for_checkpoint(here: Path, process: subprocess.Popen[str]) -> Path:
    end = time.monotonic() + 180
    while not (found := list((here / "runs").glob("*/checkpoints/last.ckpt"))):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)
    return found[0].parent.parent


def test_a_sweep_by_another_metric_names_it(here: Path) -> None:
    from types import SimpleNamespace as Namespace

    from quartet_app.sweep.observer import objective_name
    from quartet_app.sweep.tuned import describe_best

    (here / "run.json").write_text(
        json.dumps({"monitor": "val/accuracy", "metrics": {"val/accuracy": 0.9}, "samples_seen": 9})
    )
    best: Any = Namespace(folder=str(here))

    def sweep(*metrics: str, best: list[Any]) -> Any:
        scores = {"scores": lambda _: tuple(0.25 for _ in metrics), "repeated_scores": lambda _: []}
        return Namespace(metrics=metrics, best=best, **scores)

    assert objective_name(sweep("objective", best=[best])) == "best val/accuracy"
    assert objective_name(sweep("val/loss", best=[best])) == "val/loss"
    assert describe_best(sweep("objective", best=[best]), best) == "val/accuracy 0.9 after 9 samples"
    assert describe_best(sweep("val/loss", best=[best]), best) == "val/loss 0.25 after 9 samples"
    front = describe_best(sweep("val/loss", "seconds", best=[best, best]), best)
    assert front.startswith("val/loss 0.25, seconds 0.25 after 9 samples, one of 2")


def test_the_error_of_a_worker_comes_before_the_disconnects_it_causes() -> None:
    from types import SimpleNamespace as Namespace

    from quartet.types import QuartetError
    from quartet_app.run.workers.ray_train import worker_error

    hung_up = RuntimeError("[gloo] Connection closed by peer")
    assert str(worker_error(Namespace(worker_failures={0: hung_up, 1: ValueError("no")}))) == "a worker failed: no"
    refusal = QuartetError("net.width: no")
    assert worker_error(Namespace(worker_failures={0: hung_up, 1: refusal})) is refusal
    assert worker_error(Namespace(worker_failures={0: hung_up})) is None
    assert worker_error(RuntimeError("lost")) is None


def test_a_warning_appears_while_no_machine_has_room_for_the_workers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace as Namespace

    from hydra_plugins.quartet_ray_sweeper import ResourceRequest
    from quartet_app.run.workers.ray_train import warn_when_resources_short

    monkeypatch.setattr("quartet_app.run.workers.ray_train.SECONDS_BETWEEN_CHECKS", 0.01)
    machines = [{"Alive": True, "Resources": {"CPU": cpus}} for cpus in (4.0, 1.0)]
    by_client = Namespace(client=Namespace(ray=Namespace(is_connected=lambda: True)))  # which can free nothing
    ray = Namespace(nodes=lambda: machines, util=by_client)
    with warn_when_resources_short(ray, ResourceRequest(cpus=0, gpus=0, workers=2, worker_cpus=2, worker_gpus=0)):
        time.sleep(0.1)
        assert capsys.readouterr().out == ""
        machines[0] = {**machines[0], "Alive": False}
        time.sleep(0.2)
    said = capsys.readouterr().out
    assert said.startswith("2 workers of 2 CPUs and 0 GPUs asked for, Ray has only 1 machine with 1 CPUs and 0 GPUs")
    assert said.count("asked for") == 1


def test_self_in_a_defaults_list_is_ignored() -> None:
    from quartet_app.sweep.tuned import defaults

    assert defaults({"defaults": ["_self_", {"override /net": "cnn"}]}) == {"override /net": "cnn"}
    assert defaults({}) == {}
