"""Prepared folders: whole or not there, one at a time, and recognised."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quartet.data import Source, is_prepared, prepare
from quartet.data.loading.files import split_indices, write_array
from quartet.data.preparing.store import code_digest
from quartet.types import QuartetError

# What a process of its own runs: a source that writes slowly, or more than it may.
SCRIPT = """
import resource, sys, time
from pathlib import Path
import numpy as np
from quartet.data import Source, prepare
from quartet.data.loading.files import write_array

class Slow(Source):
    KIND, LICENCE, ORIGIN = "series", "none", "a test"
    def build(self, staging, downloads):
        write_array(staging / "x_train.npy", np.full(5000, float(sys.argv[3])))
        print("half", flush=True)
        time.sleep(float(sys.argv[2]))
        write_array(staging / "y_train.npy", np.zeros(5000))
        return {}

if len(sys.argv) > 4:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
root = Path(sys.argv[1])
prepare(name="set", source=Slow(), recipe={"value": sys.argv[3]}, root=root, downloads=root)
"""


class Numbers(Source):
    """Writes `value`, and counts how often it was asked to."""

    KIND = "series"
    LICENCE = "none"
    ORIGIN = "a test"

    def __init__(self, value: float, *, fails: bool = False) -> None:
        self.value, self.fails, self.built = value, fails, 0

    def build(self, staging: Path, downloads: Path) -> dict[str, Any]:
        self.built += 1
        write_array(staging / "x_train.npy", np.full(10, self.value))
        if self.fails:
            raise QuartetError("the second half is missing")
        return {"examples": {"train": 10}}


def make(root: Path, source: Numbers, **recipe: Any) -> Path:
    return prepare(name="set", source=source, recipe=recipe, root=root, downloads=root / "downloads")


def value_in(folder: Path) -> float:
    return float(np.load(folder / "x_train.npy")[0])


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock")


def start(root: Path, *, seconds: float, value: float, limit: int | None = None) -> subprocess.Popen[str]:
    words = [str(root), str(seconds), str(value), *([str(limit)] if limit else [])]
    command = [sys.executable, "-c", SCRIPT, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_is_there_is_kept_and_another_recipe_replaces_it(tmp_path: Path) -> None:
    source = Numbers(1.0)
    folder = make(tmp_path, source, value=1)
    assert make(tmp_path, source, value=1, mirror="/anywhere") == folder
    assert source.built == 1
    assert is_prepared(folder, {"value": 1})
    assert not is_prepared(folder, {"value": 2})
    make(tmp_path, Numbers(2.0), value=2)
    assert value_in(folder) == 2.0
    assert left(tmp_path) == ["set"]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    folders = [make(tmp_path / str(i), Numbers(value)) for i, value in enumerate((1.0, 1.0, 2.0))]
    one, same, other = ((folder / "manifest.json").read_text() for folder in folders)
    assert one == same != other


def test_a_change_of_somebody_s_source_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hers.py").write_text("class Numbers: ...\n")
    folder = make(tmp_path, Numbers(1.0), _target_="hers.Numbers")
    assert is_prepared(folder, {"_target_": "hers.Numbers"})
    (tmp_path / "hers.py").write_text("class Numbers: value = 2\n")
    code_digest.cache_clear()  # kept as long as the process lives
    assert not is_prepared(folder, {"_target_": "hers.Numbers"})


def test_a_failure_leaves_the_old_set_and_nothing_else(tmp_path: Path) -> None:
    folder = make(tmp_path, Numbers(1.0), value=1)
    with pytest.raises(QuartetError, match="second half"):
        make(tmp_path, Numbers(2.0, fails=True), value=2)
    assert is_prepared(folder, {"value": 1})
    assert left(tmp_path) == ["set"]


def test_missing_or_cut_files_are_noticed(tmp_path: Path) -> None:
    folder = make(tmp_path, Numbers(1.0))
    os.truncate(folder / "x_train.npy", 20)
    assert not is_prepared(folder, {})
    make(tmp_path, Numbers(1.0))
    assert is_prepared(folder, {})
    (folder / "manifest.json").write_text('{"rec')
    assert not is_prepared(folder, {})


def test_a_killed_process_leaves_the_old_set(tmp_path: Path) -> None:
    folder = make(tmp_path, Numbers(1.0), value=1)
    process = start(tmp_path, seconds=60, value=2)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert is_prepared(folder, {"value": 1})
    make(tmp_path, Numbers(3.0), value=3)
    assert value_in(folder) == 3.0
    assert left(tmp_path) == ["set"]


def test_a_process_killed_between_the_two_renames_is_mended(tmp_path: Path) -> None:
    folder = make(tmp_path, Numbers(1.0), value=1)
    shutil.move(folder, tmp_path / ".set.old")
    source = Numbers(2.0)
    make(tmp_path, source, value=1)
    assert source.built == 0
    assert value_in(folder) == 1.0


def test_processes_that_prepare_at_once_build_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    processes = [start(tmp_path, seconds=0.3, value=1) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(said) == ["", "", "half\n"]
    assert value_in(tmp_path / "set") == 1.0
    assert time.monotonic() - begun < 60


def test_a_full_disk_leaves_the_old_set(tmp_path: Path) -> None:
    folder = make(tmp_path, Numbers(1.0), value=1)
    _, errors = start(tmp_path, seconds=0, value=2, limit=4096).communicate()
    assert "no room on the disk" in errors
    assert is_prepared(folder, {"value": 1})
    assert left(tmp_path) == ["set"]


def test_preparing_imports_neither_torch_nor_lightning(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "import quartet.data as d\n"
        "for name in d.HOMES:\n    if name not in ('DataModule', 'Augment'): getattr(d, name)\n"
        "print([m for m in ('torch', 'pytorch_lightning', 'scipy', 'PIL', 'rich') if m in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("validation", "test", "sizes"), [(0.1, 0.2, [14, 2, 4]), (0.0, 0.1, [18, 0, 2]), (0.01, 0.01, [18, 1, 1])]
)
def test_a_split_has_its_shares_and_each_example_once(validation: float, test: float, sizes: list[int]) -> None:
    parts = split_indices(20, validation=validation, test=test, seed=0)
    assert [len(parts[split]) for split in ("train", "val", "test")] == sizes
    assert sorted(index for part in parts.values() for index in part.tolist()) == list(range(20))
    assert all((np.diff(part) > 0).all() for part in parts.values())


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (0.9, 0.2), (1.0, 0.0)])
def test_a_split_that_leaves_nothing_to_train_on_is_refused(validation: float, test: float) -> None:
    with pytest.raises(QuartetError, match=f"{validation} and {test} of 20 examples leave none for training"):
        split_indices(20, validation=validation, test=test, seed=0)
