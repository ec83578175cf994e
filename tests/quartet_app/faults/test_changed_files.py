"""Files that were changed or damaged after they were written are refused in two lines that name them and a way on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from running import command, only_run

from quartet.types import QuartetError
from quartet_app.comparison.report import compare_folders
from quartet_app.config.composing import compose
from quartet_app.data.prepared import ensure
from quartet_app.predict.predictor import from_folder
from quartet_app.provenance.find_run import find_run
from quartet_app.provenance.repeat import repeat
from quartet_app.run.evaluate import evaluate
from quartet_app.run.train import train
from quartet_app.run.workers.checkpoint_files import BEFORE, BEST, LAST

Small = Callable[..., list[str]]
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def finished(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with one run, trained and evaluated."""
    folder = tmp_path_factory.mktemp("finished")
    with contextlib.chdir(folder):
        train(compose(small("mnist1d_cnn")))
        evaluate(only_run(folder), out=only_run(folder) / "evaluate")
    return folder


@pytest.fixture
def run(finished: Path, here: Path) -> Path:
    """A copy of that run in the working directory, with the times of its files."""
    shutil.copytree(finished / "runs", here / "runs")
    return only_run(here).relative_to(here)


def flip(path: Path, at: float = 0.5) -> None:
    """Change a byte in the middle; leave size and time as they were."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def a_list(path: Path) -> None:
    torch.save([1, 2, 3], path) if path.suffix == ".ckpt" else path.write_text("[1, 2, 3]")


def refused(call: Callable[[], object], *words: str) -> None:
    """Make sure that a call is refused in at most two lines, which hold the `words`."""
    with pytest.raises(QuartetError) as refusal:
        call()
    text = str(refusal.value)
    assert len(text.splitlines()) == 2, text
    for word in words:
        assert word in text


def data_of(run: Path) -> Path:
    (folder,) = (path.parent for path in Path("runs/data").glob("*/*/manifest.json"))
    return folder


def readers(run: Path) -> dict[str, Callable[[], object]]:
    """What takes numbers from a run."""
    return {
        "evaluate": lambda: evaluate(run, out=run / "evaluate"),
        "compare --register": lambda: compare_folders([run], out=Path("reports"), show=False, register=True),
        "trace --repeat": lambda: repeat(find_run(str(run)), anyway=False, as_json=False),
    }


@pytest.mark.parametrize("reader", ["evaluate", "compare --register", "trace --repeat"])
@pytest.mark.parametrize("name", ["x_train.npy", "y_test.npy", "manifest.json"])
def test_prepared_data_that_was_changed_is_refused(reader: str, name: str, run: Path) -> None:
    path = data_of(run) / name
    if name == "manifest.json":
        path.write_text(path.read_text().replace('"licence": "', '"licence": "not ', 1))
    else:
        flip(path, 0.9)
    refused(readers(run)[reader], str(data_of(run)), f"delete {data_of(run)}, and the same command prepares it anew")


def test_training_reads_data_whose_time_is_another_one(run: Path, small: Small) -> None:
    config = compose(small("mnist1d_cnn"))
    train(config)
    path = data_of(run) / "x_train.npy"
    before = path.stat().st_mtime_ns
    flip(path, 0.9)
    os.utime(path, ns=(before + 1, before + 1))
    refused(lambda: train(config), "changed since they were prepared")
    shutil.rmtree(data_of(run))
    train(config)  # the remedy
    digest = json.loads((data_of(run) / "manifest.json").read_text())["digest"]
    assert json.loads((run / "run.json").read_text())["data_digest"] == digest


def test_unchanged_data_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch, small: Small) -> None:
    data = compose(small("mnist1d_cnn"))["data"]
    ensure(data)
    monkeypatch.setattr("quartet_app.data.content.content_digest", lambda *_: pytest.fail("read again"))
    ensure(data)
    (data_of(run) / "x_train.npy").touch()
    with pytest.raises(pytest.fail.Exception):
        ensure(data)


@pytest.mark.parametrize("reader", ["evaluate", "compare --register"])
def test_weights_that_were_changed_are_refused(reader: str, run: Path) -> None:
    flip(run / "model.safetensors")
    refused(readers(run)[reader], f"{run}/model.safetensors was changed after training", "train the run again: ")


def test_predicting_from_weights_that_were_changed_is_refused(run: Path) -> None:
    flip(run / "model.safetensors")
    refused(lambda: from_folder(run, "classify", name=str(run)), "was changed after training")


@pytest.mark.parametrize("reader", ["evaluate", "compare --register"])
def test_a_configuration_that_was_edited_is_refused(reader: str, run: Path) -> None:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("seed: 0", "seed: 1"))
    refused(readers(run)[reader], f"{run}/config.yaml was changed after training", "train the run again: ")


@pytest.mark.parametrize("damage", [cut, empty, a_list])
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("run.json", "train the run again"),
        ("evaluate/metrics.json", "quartet evaluate"),
        ("evaluate/evidence.json", "quartet evaluate"),
        ("evaluate/evidence.npz", "quartet evaluate"),
    ],
)
def test_a_damaged_result_is_not_compared(name: str, remedy: str, damage: Damage, run: Path) -> None:
    damage(run / name)
    compare = lambda: compare_folders([run], out=Path("reports"), show=True, register=False)  # noqa: E731
    refused(compare, str(run / name), "damaged", remedy)
    if name.startswith("evaluate"):
        evaluate(run, out=run / "evaluate")
        assert compare()


def test_an_evaluation_that_broke_off_is_none(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    refused(lambda: evaluate(run, out=run / "evaluate"), "evidence.npz: cannot be written (No space left on device)")
    assert not (run / "evaluate" / "metrics.json").exists()
    compare = lambda: compare_folders([run], out=Path("reports"), show=True, register=False)  # noqa: E731
    refused(compare, "holds no evaluated run", f"quartet evaluate {run}")
    assert not list(run.rglob(".*.[0-9]*")), "no part is left"


@pytest.mark.parametrize("damage", [cut, empty, a_list])
def test_a_damaged_state_names_the_way_on(damage: Damage, run: Path, small: Small) -> None:
    damage(run / "state.json")
    config = compose(small("mnist1d_cnn"))
    refused(lambda: train(config), str(run / "state.json"), f"delete {run / 'state.json'}")
    (run / "state.json").unlink()
    train(config)


@pytest.mark.parametrize("damage", [cut, empty, a_list, flip])
@pytest.mark.parametrize("name", [LAST, BEST])
def test_damaged_checkpoints_lead_to_the_same_weights(name: str, damage: Damage, run: Path, small: Small) -> None:
    """Follow what the messages say: at most one folder is deleted, and the run ends as it would have."""
    expected = (run / "model.safetensors").read_bytes()
    config = compose(small("mnist1d_cnn"))
    (run / "state.json").write_text((run / "state.json").read_text().replace("FINISHED", "RUNNING"))
    (run / "run.json").unlink()
    (run / "checkpoints" / BEFORE).unlink(missing_ok=True)
    damage(run / "checkpoints" / name)
    refused(lambda: train(config), f"{run / 'checkpoints' / name}", f"delete {run / 'checkpoints'}, and the run starts")
    shutil.rmtree(run / "checkpoints")
    train(config)
    assert (run / "model.safetensors").read_bytes() == expected


def test_a_flipped_byte_in_the_last_checkpoint_costs_no_more_than_the_newest(run: Path, small: Small) -> None:
    expected = (run / "model.safetensors").read_bytes()
    (run / "state.json").write_text((run / "state.json").read_text().replace("FINISHED", "RUNNING"))
    shutil.copyfile(run / "checkpoints" / LAST, run / "checkpoints" / BEFORE)
    flip(run / "checkpoints" / LAST)
    train(compose(small("mnist1d_cnn")))
    assert (run / "model.safetensors").read_bytes() == expected


def test_a_refusal_is_said_without_a_traceback(run: Path) -> None:
    cut(run / "run.json")
    done = command("evaluate", str(run), cwd=Path.cwd(), check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2), done.stderr
