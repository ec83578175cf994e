"""What the plan says before a run, against what the run itself says afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT, command, environment, facts, interrupted, only_run

from quartet.methods.method import Method
from quartet_app.config.composing import compose
from quartet_app.data.prepared import ensure
from quartet_app.estimate import memory, overhead, rehearsal
from quartet_app.estimate.activations import activations
from quartet_app.estimate.forecast import Forecast, weights_of
from quartet_app.estimate.plan import plan, shown, totals
from quartet_app.estimate.status import RunStatus
from quartet_app.run.train import train

Small = Callable[..., list[str]]
SLOW = pytest.mark.slow


def planned(words: list[str], *, measure: bool = False) -> Forecast:
    (row,) = plan(words, measure=measure, prepare=False)
    return row


@pytest.mark.parametrize("experiment", ["cnn", "rnn", "transformer", "gan"])
def test_it_says_before_what_the_run_says_after(experiment: str, small: Small, here: Path) -> None:
    words = small(experiment)
    train(compose([*words, f"out=results/{experiment}/0/train"]))
    row, said = planned(words), facts(only_run(here))
    assert row.impossible is None
    assert row.parameters == said["parameters"]
    assert row.flops_per_sample == said["flops"]
    assert row.steps == said["steps"]
    assert row.samples == pytest.approx(said["samples_seen"], rel=0.5 if experiment == "transformer" else 0)
    assert row.validations == 2
    assert [(one.state, one.left) for one in row.seeds] == [("done", 0.0)]


@pytest.mark.parametrize("budget", ["3e9 flops", "1.5 epochs", "100 samples"])
def test_budgets_come_to_as_many_samples_as_are_trained(budget: str, small: Small, here: Path) -> None:
    words = [*small("cnn"), f"budget={budget}", "validate_every='40 samples'"]
    train(compose(words))
    said = facts(only_run(here))
    row = planned(words)
    assert (row.steps, row.samples) == (said["steps"], said["samples_seen"])


def test_matched_nets_are_solved_before_they_are_counted(small: Small, here: Path) -> None:
    words = [*small("rnn"), "match.parameters=20000"]
    train(compose(words))
    row = planned(words)
    assert row.parameters == facts(only_run(here))["parameters"] == pytest.approx(20000, rel=0.02)
    assert [one.state for one in row.seeds] == ["trained"]


def test_another_configuration_is_to_be_trained_anew(small: Small, here: Path) -> None:
    train(compose([*small("cnn"), "out=results/cnn/0/train"]))
    (seed,) = planned([*small("cnn"), "optimizer.lr=0.123"]).seeds
    assert (seed.state, seed.left) == ("changed", 1.0)
    assert "another configuration" in seed.words
    (other,) = planned([*small("cnn"), "seed=1"]).seeds
    assert other.state == "new"


def test_an_interrupted_run_counts_for_what_it_has(small: Small, here: Path) -> None:
    words = small("cnn", "validate_every='4 steps'", steps=80)
    interrupted(words, here)
    (seed,) = planned(words).seeds
    assert seed.state == "resumes"
    assert 0.0 < seed.left <= 0.95
    assert str(only_run(here).name) in seed.words
    last = only_run(here) / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    assert "last.ckpt: cannot be read" in str(planned(words).impossible)  # as training would say


def test_what_is_measured_gives_the_time(small: Small, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", 0.3)
    ensure(compose(small("cnn"))["data"])
    seconds = [*small("cnn"), "budget=5 seconds", "validate_every=1 second"]
    unknown, known = planned(seconds), planned(seconds, measure=True)
    assert unknown.samples is None
    assert unknown.seconds is None
    assert "decides" in unknown.notes[0]
    assert known.train_seconds == pytest.approx(5.0, rel=0.1)
    assert known.validations == 5
    assert known.samples is not None
    assert not list((here / "runs").glob("cnn-*")), "nothing is trained for good"
    longer = planned([*small("cnn"), "budget=1_000_000 samples", "trainer.devices=2"], measure=True)
    assert longer.pace.endswith("at best")
    assert longer.seconds is not None


@SLOW
@pytest.mark.parametrize("experiment", ["cnn", "transformer", "gan"])
def test_the_time_is_that_of_a_whole_run(experiment: str, small: Small, here: Path) -> None:
    """A generous factor: these machines are noisy, and an untrained model's translations are longer."""
    words = [*small(experiment), "budget=20 steps"]
    ensure(compose(words)["data"])
    row = planned(words, measure=True)
    parts = (row.start_seconds, row.train_seconds, row.validation_seconds, row.evaluation_seconds)
    known = [part for part in parts if part is not None]
    assert len(known) == len(parts), row
    assert min(known) > 0
    assert row.seconds == pytest.approx(total := sum(known))
    begun = time.monotonic()
    command = [sys.executable, "-m", "quartet_app"]
    subprocess.run([*command, "train", *words], cwd=here, env=environment(ROOT), check=True)
    run = only_run(here).relative_to(here)
    subprocess.run([*command, "evaluate", str(run)], cwd=here, env=environment(ROOT), check=True)
    took = time.monotonic() - begun
    assert took / 4 < total < took * 4
    assert "evaluation" in shown([row])


def test_an_evaluation_that_takes_long_is_cut_and_extrapolated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    watch = overhead.Watch()
    for done in range(1, 5):
        now[0] += 0.25
        watch.progress("read", done, 4)
    for done in range(1, 5):
        now[0] += 0.25
        watch.progress("search", done, 100)
    now[0] += 0.25
    with pytest.raises(overhead._Enough):
        watch.progress("search", 5, 100)
    assert watch.extrapolated() == pytest.approx(1 + 25)


def test_an_earlier_run_tells_the_speed(small: Small, here: Path) -> None:
    train(compose([*small("cnn"), f"budget={rehearsal.SECONDS + 0.2} seconds", "validate_every=10 seconds"]))
    said = facts(only_run(here))
    row = planned([*small("cnn"), "seed=3", "budget=1_000_000 samples"], measure=True)
    assert str(only_run(here).name) in row.pace
    assert row.train_seconds == pytest.approx(row.samples * said["train_seconds"] / said["samples_seen"])


def test_an_earlier_run_of_other_threads_tells_no_speed(
    small: Small, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", 0.0)
    tree = compose([*small("cnn"), "trainer.threads=null"])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as grid.py has it where a machine's cores are shared
    train(tree)
    said = facts(only_run(here))
    assert said["trained_on"]["threads"] == 1
    assert rehearsal.earlier(tree, said["data_digest"]) is not None
    monkeypatch.setattr("quartet_app.run.environment.cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert rehearsal.earlier(tree, said["data_digest"]) is None, "this run would have four"


def test_the_table_says_what_is_impossible_and_plans_the_rest(small: Small, here: Path) -> None:
    overrides = {
        "cnn": small("cnn")[1:],
        "rnn": [*small("rnn")[1:], "net.widht=3"],
        "gan": [*small("gan")[1:], "match.parameters=50"],
        "transformer": [*small("transformer")[1:], "data.source.folder=nowhere"],
    }  # fmt: skip
    table = {"experiments": list(overrides), "seeds": [0, 1], "profile": "laptop", "overrides": overrides}
    (here / "params.yaml").write_text(yaml.safe_dump(table))
    ensure(compose(small("cnn"))["data"])
    done = command("plan", "--json", "--no-measure", cwd=here, check=False)
    assert done.returncode == 2
    assert "3 of 4 cannot run" in done.stderr
    rows = {row["experiment"]: row for row in json.loads(done.stdout)}
    assert rows["cnn"]["impossible"] is None
    assert rows["cnn"]["parameters"] > 0
    assert [seed["seed"] for seed in rows["cnn"]["seeds"]] == [0, 1]
    assert "net.width" in rows["rnn"]["impossible"]
    assert "match.parameters" in rows["gan"]["impossible"]
    assert "nowhere" in rows["transformer"]["impossible"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trainer.accelerator=gpu", "trainer.devices=99", "data.loading.batch_size=99"], "trainer.devices: 99 GPUs"),
        (["trainer.devices=48", "data.loading.batch_size=480"], "cannot share"),
        (["net.width=16384", "net.layers=64"], "memory: about"),
    ],
)
def test_what_only_this_machine_or_this_data_forbids(words: list[str], said: str, small: Small, here: Path) -> None:
    ensure(compose(small("cnn"))["data"])
    row = planned([*small("cnn"), *words])
    assert said in str(row.impossible)
    assert said in shown([row])
    assert row.parameters is not None, "what is known is said all the same"


@pytest.mark.parametrize("experiment", ["cnn", "transformer"])
def test_a_batch_that_does_not_fit_is_refused_without_being_run(
    experiment: str, small: Small, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    count = Method.count_flops

    def counting(self: Method, batch: Any) -> float:
        counted.append(batch["samples"])
        return count(self, batch)

    monkeypatch.setattr(Method, "count_flops", counting)
    words = [*small(experiment), f"data.loading.batch_size={200 if experiment == 'cnn' else 4096}"]
    ensure(compose(words)["data"])
    fitting = planned(words)
    assert fitting.memory is not None
    assert fitting.peak is not None
    counted.clear()
    monkeypatch.setattr(memory, "machine_memory", lambda *, gpu: fitting.peak - fitting.memory.activations / 10)
    row = planned(words)
    assert "memory: about" in str(row.impossible)
    assert row.peak == fitting.peak
    assert max(counted) <= 16, "few examples alone"


@pytest.mark.parametrize("accelerator", ["auto", "gpu"])
def test_what_a_cluster_can_hold_is_not_this_machines_to_refuse(
    accelerator: str, small: Small, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    cluster = ["launcher=ray", "launcher.address=auto", "trainer.devices=4", f"trainer.accelerator={accelerator}"]
    words = [*small("cnn"), *cluster]
    ensure(compose(words)["data"])
    fitting = planned(words, measure=accelerator == "gpu")
    assert fitting.impossible is None
    assert fitting.flops_per_sample is not None
    assert any("time unknown" in note for note in fitting.notes) == (accelerator == "gpu")
    monkeypatch.setattr(memory, "machine_memory", lambda *, gpu: 1e6)
    row = planned(words)
    assert row.impossible is None
    assert row.peak is not None
    assert any(note.startswith("memory: about ") for note in row.notes)
    assert "assumed to be like this one" in shown([row])


def test_what_is_unknown_is_not_added_up() -> None:
    seeds = [RunStatus(0, "new", "to train", 1.0), RunStatus(1, "done", "done: there", 0.0)]
    row = Forecast("cnn", flops_per_sample=2.0, samples=10, seeds=seeds)
    assert totals([row]).splitlines() == ["2 runs, 1 done", "FLOPs: 40 in all, 20 left to do", "time: unknown"]
    slow = Forecast("cnn", seconds=30.0, seeds=seeds)
    assert totals([slow]).splitlines()[2] == "time: 1\u202fmin 00\u202fs one after another, 30\u202fs left to do"
    timed = Forecast("rnn", seconds=30.0, seeds=seeds[1:])
    assert totals([timed]).splitlines()[::2] == ["1 run, 1 done", "time: 30\u202fs in all, nothing left to do"]
    both = totals([row, timed]).splitlines()[2]
    assert both.endswith("nothing left to do; unknown for 1 more experiment")


def test_a_mistake_is_said_before_torch_is_there(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    refused = command(
        "plan",
        "experiment=cnn",
        "net.widht=3",
        cwd=tmp_path,
        check=False,
        PYTHONPATH=f"{tmp_path}:{ROOT / 'src'}:{ROOT}",
    )
    assert refused.returncode == 2
    assert "did you mean net.width?" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_data_that_is_not_there_yet_is_neither_fetched_nor_guessed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUARTET_MIRROR", raising=False)
    cnn, rnn = planned(["experiment=cnn"]), planned(["experiment=rnn"])
    assert cnn.impossible is rnn.impossible is None
    assert "to be fetched, 30.9 MB from Fashion-MNIST" in cnn.notes[0]
    assert cnn.parameters is not None
    assert cnn.flops_per_sample is not None
    assert cnn.samples == 128 * -(-750_000 // 128)
    assert "to be fetched, 5.4 MB" in rnn.notes[0]
    assert rnn.parameters is None
    assert list(here.iterdir()) == [], "nothing is prepared or trained"


@pytest.mark.parametrize("experiment", ["cnn", "rnn", "transformer", "gan"])
def test_memory_is_what_a_real_training_takes(experiment: str, small: Small, here: Path) -> None:
    """By the allocator's own count, over a whole run: within a third."""
    more = ["net.width=64", "data.loading.batch_size=64"] if experiment in ("cnn", "gan") else ["net.width=128"]
    tree = compose([*small(experiment), *more])
    data = ensure(tree["data"])
    fixed = memory.fixed(tree, weights=weights_of(tree, data), data=0.0)
    said = fixed.with_activations(activations(tree, data, gpu=False)).tensors
    taken = peak(lambda: train(tree))
    assert said == pytest.approx(taken, rel=1 / 3)


def peak(run: Callable[[], Any]) -> float:
    """The most bytes that torch's allocator had given out at once while `run` ran, beyond those before."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    profiler.export_chrome_trace("trace.json")
    trace = json.loads(Path("trace.json").read_text())["traceEvents"]
    events = [event for event in trace if event["name"] == "[memory]"]
    events.sort(key=lambda event: event["ts"])
    before = events[0]["args"]["Total Allocated"] - events[0]["args"]["Bytes"]
    return max(event["args"]["Total Allocated"] for event in events) - before


def test_what_optimizers_keep() -> None:
    kept = {
        "SGD": {"lr": 0.1}, "momentum": {"lr": 0.1, "momentum": 0.9}, "Adam": {"lr": 0.1}, "AdamW": {"lr": 0.1},
        "Adagrad": {"lr": 0.1},
    }  # fmt: skip
    found = {}
    for name, options in kept.items():
        kind = "SGD" if name == "momentum" else name
        found[name] = memory.per_weight({"_target_": f"torch.optim.{kind}", "_partial_": True, **options})
    assert found == {"SGD": 0, "momentum": 1, "Adam": 2, "AdamW": 2, "Adagrad": 1}
