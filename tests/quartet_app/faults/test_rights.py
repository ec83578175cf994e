"""Folders without the right to write, files in place of folders, users without a home: said in a line, or no matter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from running import QUARTET, command, only_run

pytestmark = pytest.mark.slow
Small = Callable[..., list[str]]
# Root may write anywhere, until it gives that right up.
AS_ANYONE = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
WITHOUT_A_NAME = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]


def works(words: list[str]) -> bool:
    return not words or (shutil.which(words[0]) is not None and subprocess.run([*words, "true"]).returncode == 0)


def ran(words: list[str], folder: Path, prefix: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key not in ("HOME", "USER", "LOGNAME")}
    return subprocess.run(
        [*prefix, *QUARTET, *words], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**(inherited if prefix == WITHOUT_A_NAME else os.environ), "OMP_NUM_THREADS": "1", **env},
    )  # fmt: skip


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder in which this user may not write."""
    if not works(AS_ANYONE):
        pytest.skip("root cannot give up its rights here")
    folder = tmp_path / "closed"
    folder.mkdir()
    return folder


def close(folder: Path) -> None:
    if AS_ANYONE:
        shutil.chown(folder, 65534, 65534)
    folder.chmod(0o555)


def test_a_folder_in_which_nobody_may_write_is_said_in_a_line(small: Small, closed: Path) -> None:
    close(closed)
    words = small("cnn")
    for typed in (["train", *words], ["train", "-m", *words, "seed=1,2"], ["prepare", "mnist1d"]):
        done = ran(typed, closed, AS_ANYONE)
        assert done.returncode == 2, done
        assert "Traceback" not in done.stderr
        assert "Permission denied" in done.stderr
        assert "allow" in done.stderr, "the remedy"
        assert len(done.stderr.splitlines()) <= 2
    assert ran(["plan", *words, "--no-measure"], closed, AS_ANYONE).returncode == 0, "reading is enough"
    assert ran(["train", *words, "--explain", "seed"], closed, AS_ANYONE).returncode == 0
    closed.chmod(0o755)


@pytest.mark.parametrize("devices", [1, 2])
def test_a_run_that_may_not_be_written_is_said_in_a_line(devices: int, small: Small, closed: Path) -> None:
    words = [*small("cnn"), f"trainer.devices={devices}", "trainer.accelerator=cpu"]
    command("train", *words, cwd=closed)
    run = only_run(closed)
    for folder in (run, run / "checkpoints"):
        close(folder)
    done = ran(["train", *words], closed, AS_ANYONE)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert f"runs/{run.name}" in done.stderr
    for folder in (run, run / "checkpoints"):
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["runs", "runs/data"])
def test_a_file_in_the_place_of_a_folder_is_said_in_a_line(name: str, small: Small, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    done = command("train", *small("cnn"), cwd=tmp_path, check=False)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert "move away what is in its place" in done.stderr


@pytest.mark.skipif(not works(WITHOUT_A_NAME), reason="the system gives no user without a name")
@pytest.mark.parametrize("home", [None, "/nowhere", ""])
def test_a_user_without_a_home_can_do_all(home: str | None, small: Small, tmp_path: Path) -> None:
    where = {} if home is None else {"HOME": home}
    trained = ran(["train", *small("cnn", "tracking=mlflow")], tmp_path, WITHOUT_A_NAME, **where)
    assert trained.returncode == 0, trained.stderr
    run = only_run(tmp_path)
    for typed in (["evaluate", str(run)], ["compare", str(run), "--register"], ["trace", str(run)]):
        done = ran(typed, tmp_path, WITHOUT_A_NAME, **where)
        assert done.returncode == 0, done.stderr


def test_what_may_not_be_read_is_said_so(small: Small, closed: Path) -> None:
    closed.chmod(0o755)
    (closed / "conf" / "experiment").mkdir(parents=True)
    mine = closed / "conf" / "experiment" / "mine.yaml"
    mine.write_text("# @package _global_\ndefaults: [cnn]\n")
    mine.chmod(0)
    if AS_ANYONE:
        shutil.chown(mine, 65534, 65534)
    done = ran(["train", "experiment=mine"], closed, AS_ANYONE)
    assert done.returncode == 2, done
    assert "mine.yaml: cannot be read (Permission denied)\nallow reading it" in done.stderr
    assert "written" not in done.stderr
