"""A disk without room and a folder that cannot be written: a line or two each, and the same command goes on later."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import QUARTET, command, only_run

from quartet.types import QuartetError
from quartet_app.files import read_record, whole_file, write_text

Small = Callable[..., list[str]]
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Return a function that gives a small disk so many bytes; the first call makes it."""
    folder = tmp_path / "disk"

    def sized(size: int) -> Path:
        made = folder.exists()
        folder.mkdir(exist_ok=True)
        options = f"{'remount,' if made else ''}size={size}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("this user may not mount a file system")
        return folder

    yield sized
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["mnist1d_cnn", "rnn"])
def test_a_disk_that_fills_up_costs_no_more_than_a_line(
    experiment: str, small: Small, disk: Callable[[int], Path], tmp_path: Path
) -> None:
    """Give the disk more and more room: each time the run gets a bit further, and at last to the same weights."""
    words = [*small(experiment), "tracking=mlflow", "tracking.system_metrics=false", "tracking.model=false"]
    words.remove("tracking=none")
    whole = tmp_path / "whole"
    whole.mkdir()
    command("train", *words, cwd=whole)
    need = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    refusals = 0
    for share in (0.02, 0.2, 0.9, 0.97):
        folder = disk(max(8192, round(need * share)))
        done = command("train", *words, cwd=folder, check=False)
        told = ("preparing", "terms", "own_", "tracking:")  # of the data, and of MLflow
        said = [line for line in done.stderr.splitlines() if not line.startswith(told)]
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode:
            refusals += 1
            assert done.returncode == 2
            assert 1 <= len(said) <= 3, done.stderr
    assert refusals >= 2
    folder = disk(need + 64 * MIB)
    command("train", *words, cwd=folder)
    assert (only_run(folder) / "model.safetensors").read_bytes() == (only_run(whole) / "model.safetensors").read_bytes()
    assert not [path for path in folder.rglob(".*") if path.is_file() and path.name.endswith(".part")]


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.slow
def test_a_read_only_folder_is_refused_in_two_lines(small: Small, disk: Callable[[int], Path]) -> None:
    folder = disk(64 * MIB)
    words = small("mnist1d_cnn")
    command("train", *words, cwd=folder)
    run = only_run(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    for arguments in (["train", *words], ["train", *words, "seed=1"], ["evaluate", str(run)]):
        done = command(*arguments, cwd=folder, check=False)  # type: ignore[misc]
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) <= 3, done.stderr
        assert "cannot be" in done.stderr
    assert command("trace", str(run), cwd=folder).stdout, "what only reads goes on"


def test_a_limit_on_the_size_of_files_ends_two_devices_in_a_few_lines(small: Small, tmp_path: Path) -> None:
    words = small("cnn", "trainer.devices=2", "trainer.accelerator=cpu")
    limited = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", *QUARTET, "train", *words]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def fill(path: Path) -> None:
    with whole_file(path) as part:
        part.write_text('{"half')
        raise OSError(28, "No space left on device")


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "{}")
    with pytest.raises(QuartetError, match=r"a\.json: cannot be written \(No space left on device\)\n"):
        fill(path)
    assert read_record(path, remedy="") == {}
    assert list(tmp_path.iterdir()) == [path]
