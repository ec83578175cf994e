"""`make clean` deletes what was made here, and no file of a person's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT

from quartet_app.table.clean import clean

NOTE = '{"data": "x", "digest": "0", "recipe": {}}'
MANIFEST = '{"name": "x", "digest": "0", "recipe": {}, "files": {"x.npy": 1}}'
MADE = {
    "build/cnn.yaml": "# Written by the stage `compose` from conf/ and params.yaml; edit those.\na: 1\n",
    "build/data/cnn.yaml": "# Written by the stage `compose` from conf/ and params.yaml; edit those.\na: 1\n",
    "data/cnn.json": NOTE, "data/.x.lock": "", "data/x/manifest.json": MANIFEST, "data/x/x.npy": "",
    "data/.x.staging/manifest.json": MANIFEST, "data/.x.staging/x.npy": "", "data/.x.staging/y.npy": "",
    "results/cnn/0/train/config.yaml": "", "results/cnn/0/train/run.json": "", "results/cnn/0/train/.gitignore": "",
    "results/cnn/0/evaluate/metrics.json": "", "results/cnn/0/evaluate/evidence.json": "",
    "results/cnn/0/evaluate/plots/metrics.csv": "",
    "reports/index.html": "", "reports/results.json": "", "reports/statistics.json": "", "reports/report.md": "",
    "runs/cnn-0-0123/config.yaml": "", "runs/cnn-0-0123/state.json": "", "runs/cnn-0-0123/checkpoints/last.ckpt": "",
    "runs/cnn-0-0123/before/run.json": "", "runs/cnn-0-0123/.train.csv.77": "",
    "runs/cnn-0-0123/evaluate/cost.json": "", "runs/cnn-0-0123/ray/train/x": "", "runs/multirun/today/.tune-x/y": "",
    "runs/rnn-0-0123/config.yaml": "", "runs/rnn-0-0123/lock": "",
    "runs/data/0123/x/manifest.json": MANIFEST, "runs/data/0123/.x.lock": "", "runs/data/.verified/0.json": "",
    "runs/downloads/x/x.zip": "",
    "runs/multirun/today/study.json": "", "runs/multirun/today/trials.jsonl": "",
    "runs/multirun/today/0/config.yaml": "",
    "runs/repeats/cnn-0-0123-0/config.yaml": "", "runs/repeats/cnn-0-0123-0/state.json": "",
    "runs/grid/train-cnn-0.log": "", "runs/own_targets.txt": "",
}  # fmt: skip
OWN = {
    "build/mine.yaml": "a: 1", "data/photos/cat/1.png": "a cat", "data/numbers.json": "[1]", "data/cats.csv": "1",
    "data/page/manifest.json": '{"name": "a web page"}', "results/notes.txt": "x", "reports/paper/paper.tex": "x",
    "runs/notes.txt": "x", "runs/old/weights.bin": "x", "mlflow.db": "x", "photos/1.png": "x",
    "runs/cnn-0-0123/notes.txt": "x", "runs/cnn-0-0123/checkpoints/epoch 3.ckpt": "x", "data/x/labels.csv": "x",
    "runs/cnn-0-0123/mine/train.csv": "x", "runs/multirun/today/0/why.md": "x",
    "runs/multirun/today/figures/1.png": "x",
    "results/cnn/0/train/notes.txt": "x", "results/cnn/0/evaluate/plots/mine.csv": "x",
}  # fmt: skip


@pytest.fixture
def table(here: Path) -> Path:
    for name, text in {**MADE, **OWN}.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    (here / "elsewhere").mkdir()
    for name in ("run.json", "config.yaml", "manifest.json"):
        (here / "elsewhere" / name).write_text(MANIFEST)
    for name in ("data/linked", "runs/linked", "results/linked"):
        (here / name).symlink_to(here / "elsewhere")
    (here / "runs" / "cnn-0-0123" / "link").symlink_to(here / "elsewhere")
    return here


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "elsewhere" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found if "linked" not in path.parts}


def test_what_was_made_goes_and_what_is_somebody_s_stays(table: Path) -> None:
    left = {path.relative_to(table).as_posix() for path in clean(table)}
    assert files(table) == set(OWN)
    assert left == {name for name in OWN if name.split("/")[0] in ("build", "data", "results", "reports", "runs")} | {
        "data/linked", "runs/linked", "results/linked", "runs/cnn-0-0123/link"
    }  # fmt: skip
    assert len(list((table / "elsewhere").iterdir())) == 3, "a link led outside"
    assert not (table / "runs" / "rnn-0-0123").exists(), "empty folders go too"
    assert {path.relative_to(table).as_posix() for path in clean(table)} == left, "once more"


def test_nothing_is_left_of_real_runs_and_their_data(grid: Path) -> None:
    assert {path.name for path in (grid / "runs").iterdir()} > {"data"}
    assert clean(grid) == []
    assert not (grid / "runs").exists()


def test_a_linked_folder_is_not_followed(table: Path) -> None:
    shutil.move(table / "data", table / "disk")
    (table / "data").symlink_to(table / "disk")
    assert table / "data" in clean(table)
    assert (table / "disk" / "x" / "manifest.json").exists()


def test_make_clean(table: Path) -> None:
    shutil.copyfile(ROOT / "Makefile", table / "Makefile")
    (table / "src").symlink_to(ROOT / "src")
    # -S: no installed package, as before `make install`.
    said = subprocess.run(
        ["make", "clean", f"PYTHON={sys.executable} -S"], cwd=table, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    ).stdout  # fmt: skip
    assert "kept: data/photos/cat/1.png, which Quartet has not made" in said
    assert not {*MADE} & files(table)
    assert {*OWN} <= files(table)
