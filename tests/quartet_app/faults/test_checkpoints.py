"""Checkpoints that are damaged, half written or cannot be written: a run goes on from the one before, bit by bit."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from running import QUARTET, command, interrupted, only_run

from quartet_app.run.workers.checkpoint_files import BEFORE, BEST, LAST, newest_readable

Small = Callable[..., list[str]]


@pytest.fixture(scope="module")
def broken_off(small: Small, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, bytes]:
    """An interrupted run: its command, its working directory, and the weights that it comes to undisturbed."""
    words = [*small("cnn", steps=60), "validate_every='3 steps'"]
    whole, parts = (tmp_path_factory.mktemp(name) for name in ("whole", "parts"))
    command("train", *words, cwd=whole)
    interrupted([*words, "trainer.log_every=1"], parts)
    assert not (only_run(parts) / "model.safetensors").exists(), "was not interrupted: it had ended"
    return words, parts, (only_run(whole) / "model.safetensors").read_bytes()


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def a_list(path: Path) -> None:
    torch.save([1, 2, 3], path)


@pytest.mark.parametrize(
    "damage", [half, *(pytest.param(damage, marks=pytest.mark.slow) for damage in (nothing, a_list))]
)
def test_a_damaged_checkpoint_costs_no_more_than_the_newest(
    damage: Callable[[Path], None], broken_off: tuple[list[str], Path, bytes], tmp_path: Path
) -> None:
    words, parts, expected = broken_off
    shutil.copytree(parts, tmp_path / "run")
    checkpoints = only_run(tmp_path / "run") / "checkpoints"
    if not (checkpoints / BEFORE).exists():
        shutil.copyfile(checkpoints / LAST, checkpoints / BEFORE)
    damage(checkpoints / LAST)
    done = command("train", *words, cwd=tmp_path / "run")
    assert f"resuming from {os.path.relpath(checkpoints, tmp_path / 'run')}/{BEFORE}" in done.stderr
    assert (only_run(tmp_path / "run") / "model.safetensors").read_bytes() == expected


@pytest.mark.slow
def test_a_damaged_best_checkpoint_names_the_way_out(small: Small, tmp_path: Path) -> None:
    words = small("cnn")
    command("train", *words, cwd=tmp_path)
    run = only_run(tmp_path)
    expected = (run / "model.safetensors").read_bytes()
    (run / "state.json").write_text((run / "state.json").read_text().replace("FINISHED", "RUNNING"))
    (run / "run.json").unlink()
    half(run / "checkpoints" / BEST)
    refused = command("train", *words, cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert (
        refused.stderr.splitlines()[-1] == f"delete {run.relative_to(tmp_path)}/checkpoints, and the run starts afresh"
    )
    shutil.rmtree(run / "checkpoints")
    command("train", *words, cwd=tmp_path)
    assert (run / "model.safetensors").read_bytes() == expected


def test_a_disk_that_takes_no_more_ends_a_run_in_a_line(small: Small, tmp_path: Path) -> None:
    program = shlex.join([*QUARTET, "train", *small("cnn")])
    limited = f"ulimit -f 8; exec {program}"  # in blocks of 1024 bytes: less than a checkpoint, more than the rest
    done = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, 20])
def test_kills_with_a_temporary_folder_elsewhere_leave_whole_checkpoints(
    kills: int, small: Small, tmp_path: Path
) -> None:
    """Kill at random points; the system's temporary folder lies on another file system, as a tmpfs does."""
    elsewhere = Path("/dev/shm") if sys.platform == "linux" else tmp_path
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    draw = random.Random(seed)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    words = [*small("cnn", steps=400), "validate_every='2 steps'"]
    for folder in (whole, parts):
        folder.mkdir()
    command("train", *words, cwd=whole, TMPDIR=str(elsewhere))
    before = set(elsewhere.iterdir())
    for _ in range(kills):
        process = subprocess.Popen(
            [*QUARTET, "train", *words], cwd=parts,
            env={**os.environ, "TMPDIR": str(elsewhere), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        known = [path.stat().st_mtime_ns for path in parts.glob(f"runs/*/checkpoints/{LAST}")]
        deadline = time.monotonic() + 120
        while [path.stat().st_mtime_ns for path in parts.glob(f"runs/*/checkpoints/{LAST}")] in ([], known):
            assert time.monotonic() < deadline
            if process.poll() is not None:
                break
            time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        for checkpoints in parts.glob("runs/*/checkpoints"):
            assert newest_readable(checkpoints) == checkpoints / LAST, "a kill cost more than the work since"
    command("train", *words, cwd=parts, TMPDIR=str(elsewhere))
    assert (only_run(parts) / "model.safetensors").read_bytes() == (only_run(whole) / "model.safetensors").read_bytes()
    left = {
        path for path in elsewhere.iterdir() if path not in before and not path.name.startswith(("sem.", "quartet-"))
    }
    assert not [path for path in left if path.stat().st_size > 100_000], "nothing large is left behind"
