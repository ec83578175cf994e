"""What a run says of the command that made it, and of the machine."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

import pytest
import torch

from quartet_app.run.environment import command_line, cores, environment, processor, threads, trained_on


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/env/bin/quartet", "train", "experiment=cnn"], "quartet train experiment=cnn"),
        (["/code/quartet_app/__main__.py", "train", "note=two words"], "quartet train 'note=two words'"),
        (["pipelines/train.py", "seed=1"], "python pipelines/train.py seed=1"),
        (["/other/__main__.py", "seed=1"], "python /other/__main__.py seed=1"),
        (["quartet", "a=http://me:secret@host/x"], "quartet a=http://***@host/x"),
        (["quartet", "a=http://host/x", "b=c@d"], "quartet a=http://host/x b=c@d"),
    ],
)
def test_the_command_is_told_as_it_was_typed(argv: list[str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", ["/env/bin/python3", *argv])
    assert command_line() == expected


@pytest.mark.parametrize(
    ("requested", "limit", "workers", "expected"),
    [
        (3, "1", 1, 3),
        (None, "1", 1, 1),
        (None, "1", 8, 1),
        (None, "", 1, cores()),
        (None, "", cores(), 1),
        (None, "", 4 * cores(), 1),
        (None, "0", 1, cores()),
        (None, "many", 1, cores()),
        (None, str(4 * cores()), 1, cores()),
    ],
)
def test_threads_are_those_asked_for_or_a_share_of_the_cores(
    requested: int | None, limit: str, workers: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert threads(requested, workers=workers) == expected


def test_versions_and_the_machine_are_named() -> None:
    said = environment()
    assert said["python"] == platform.python_version()
    assert said["torch"] == version("torch")
    assert said["cpu"] == processor() != ""
    assert said["platform"] == platform.platform()


def test_the_device_of_a_run_is_named() -> None:
    said = trained_on(accelerator="cpu", devices=2, precision="32-true")
    assert (said["accelerator"], said["devices"], said["precision"]) == ("cpu", 2, "32-true")
    assert said["device"] == processor()
    assert said["threads"] == torch.get_num_threads()
    assert said["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert "cuda" not in said
