"""The command line: what runs, what is refused, and that neither imports torch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quartet_app.config.composing import compose
from quartet_app.config.options import option_files, options
from quartet_app.config.resolved import load_config, save_config

PROGRAM = '''
"""Show what would run."""
import atexit, sys
from quartet_app import cli
from quartet_app.commands.train import main

atexit.register(lambda: print("heavy:", sorted({"torch", "mlflow", "ray", "pytorch_lightning"} & set(sys.modules))))

def show(config):
    if config["seed"] == 13:
        raise ValueError("the task broke")
    if config["seed"] == 14:
        raise KeyboardInterrupt
    print("ran", config["experiment"], config["net"]["width"], config["seed"])

if __name__ == "__main__":
    cli.run(lambda arguments: main(arguments, task=show), sys.argv[1:])
'''

# Overrides after experiment=cnn → the texts that the refusal must hold: the key, its value and the remedy.
REFUSALS = {
    "net.widht=3": ("net.widht", "did you mean net.width?"),
    "net=cnnn": ("net=cnnn", "did you mean net=cnn?"),
    "net.width=wide": ("net.width", "'wide'", "a whole number"),
    "task=language": ("data", "fashion_mnist holds images", "text"),
    "data.loading.batch_size=33 trainer.devices=2": ("data.loading.batch_size", "33", "32 or 34"),
    "net.width=[3": ("net.width=[3", "key=value"),
    "net.width=3,4": ("net.width=3,4", "--multirun"),
    "--fast": ("--fast", "--help"),
    "--multirun seed=0,two": ("seed", "'two'", "a whole number"),
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "show.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def environment() -> dict[str, str]:
    root = Path(__file__).resolve().parents[3]
    path = os.pathsep.join([str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")])
    return {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"} | {"PYTHONPATH": path}


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program), *arguments],
        capture_output=True,
        text=True,
        cwd=program.parent,
        env=environment(),
        timeout=60,
    )


@pytest.mark.parametrize("overrides", REFUSALS)
def test_impossible_overrides_are_refused_in_one_line(program: Path, overrides: str) -> None:
    done = run(program, "experiment=cnn", *overrides.split())
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stdout.splitlines() == ["heavy: []"]
    for expected in REFUSALS[overrides]:
        assert expected in done.stderr


def test_a_refusal_is_quick(program: Path) -> None:
    times = []
    for _ in range(2):
        start = time.perf_counter()
        run(program, "experiment=cnn", "net.width=wide")
        times.append(time.perf_counter() - start)
    assert min(times) < 3.0  # about 0.6 on an idle machine; the tests share theirs


def test_an_experiment_must_be_chosen(program: Path) -> None:
    done = run(program)
    assert done.returncode == 2
    assert "experiment: not given" in done.stderr
    assert "transformer" in done.stderr


def test_the_folder_of_own_data_must_be_given(program: Path) -> None:
    done = run(program, "experiment=own_images")
    assert done.returncode == 2
    assert "data.source.folder: not given" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_output_that_is_closed_early_is_no_crash(program: Path) -> None:
    command = [sys.executable, str(program), "--help"]
    with subprocess.Popen(
        command, cwd=program.parent, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_good_command_runs(program: Path) -> None:
    done = run(program, "experiment=cnn", "net.width=48", "seed=3", "trainer=ddp")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["ran cnn 48 3", "heavy: []"]
    assert [path.name for path in program.parent.iterdir()] == ["show.py"]  # Hydra leaves nothing behind


def test_an_implied_experiment_runs_by_its_name(program: Path) -> None:
    for more in ([], ["seed=0,1", "--multirun"]):
        done = run(program, "experiment=fashion_mnist_mlp", *more)
        assert done.returncode == 0, done.stderr
        assert "fashion_mnist_mlp" in done.stdout
    done = run(program, "experiment=fashion_mnist_mlp,mnist1d_mlp", "--multirun")
    assert done.returncode == 0, done.stderr
    assert "ran fashion_mnist_mlp" in done.stdout
    assert "ran mnist1d_mlp" in done.stdout
    done = run(program, "experiment=fashion_mnist_mpl")
    assert done.returncode == 2
    assert "experiment=fashion_mnist_mpl: no such option" in done.stderr


def test_a_crash_of_the_task_shows_its_traceback(program: Path) -> None:
    done = run(program, "experiment=cnn", "seed=13")
    assert done.returncode == 1
    assert "ValueError: the task broke" in done.stderr
    assert "in show" in done.stderr
    assert "hydra" not in done.stderr.lower()


def test_an_interrupt_is_no_crash(program: Path) -> None:
    done = run(program, "experiment=cnn", "seed=14")
    assert (done.returncode, done.stderr.strip()) == (130, "interrupted")


def test_a_sweep_runs_each_job(program: Path) -> None:
    # Each experiment's own net has net.width, but Hydra first composes without any experiment, where it is missing.
    done = run(program, "experiment=cnn,gan", "net.width=24", "budget=5 steps", "--multirun")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("ran")] == ["ran cnn 24 0", "ran gan 24 0"]


VALUES = ["null", "'a,b'", '"1"', "[1,2]", "{a:1}", "1e-3", "text with spaces", "'true'", "'it\\'s'", "[a,'b,c',null]"]


@pytest.mark.parametrize("value", VALUES)
def test_a_plain_value_keeps_its_type_where_a_group_is_swept(value: str) -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from quartet_app.sweep.multirun import defer_override

    parser = OverridesParser.create()
    parsed = parser.parse_overrides(["net=cnn,rnn", f"data.note={value}"])
    swept = parser.parse_overrides([defer_override(override, parsed) for override in parsed])
    for job in BasicSweeper.split_arguments(swept, None)[0]:
        found, expected = parser.parse_override(job[1]).value(), parsed[1].value()
        assert (found, type(found)) == (expected, type(expected))


def test_a_sweep_of_groups_takes_values_of_any_type(program: Path) -> None:
    sweep = ["experiment=cnn,gan", "schedule=cosine", "net.width=24", "data.loading.limit_train=null"]
    done = run(program, *sweep, "budget='5 steps'", "--multirun")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("ran")] == ["ran cnn 24 0", "ran gan 24 0"]


def test_a_bad_value_ends_a_sweep_before_it_starts(program: Path) -> None:
    done = run(program, "experiment=cnn", "net.width=16,wide", "-m")
    assert done.returncode == 2
    assert "net.width" in done.stderr
    assert "ran" not in done.stdout
    assert not (program.parent / "runs").exists()


def test_a_resolved_file_runs_the_same_way(program: Path) -> None:
    save_config(compose(["experiment=cnn"]), program.parent / "cnn.yaml")
    done = run(program, "cnn.yaml", "seed=2", "net.width=24")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ran cnn 24 2")


@pytest.mark.parametrize(
    ("override", "expected"),
    [("sed=2", "did you mean seed?"), ("+colour=red", "+colour=red"), ("seed=two", "seed: given 'two'")],
)
def test_a_resolved_file_takes_only_its_own_keys(program: Path, override: str, expected: str) -> None:
    save_config(compose(["experiment=cnn"]), program.parent / "cnn.yaml")
    done = run(program, "cnn.yaml", override)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_resolved_file_is_named(program: Path) -> None:
    done = run(program, "nowhere.yaml")
    assert done.returncode == 2
    assert "nowhere.yaml" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_lists_all_options_and_imports_nothing_heavy(program: Path) -> None:
    done = run(program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in option_files("experiment") + options("net"):
        assert name in done.stdout
    assert "A residual CNN" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("experiment", ["cnn", "mnist1d_mlp"])  # with a file, and implied
def test_hydra_shows_the_configuration(experiment: str, program: Path) -> None:
    done = run(program, f"experiment={experiment}", "--cfg", "job")
    assert done.returncode == 0
    (program.parent / "shown.yaml").write_text(done.stdout.partition("heavy:")[0], encoding="utf-8")
    assert load_config(program.parent / "shown.yaml")["experiment"] == experiment
