"""What a run records of its sources: a diff that, applied to the commit, brings every byte back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from running import ROOT

from quartet_app.run.run_folder import EXPORTED
from quartet_app.run.work_tree import MAX_FILE_BYTES, changed_paths, left_out_paths, read_work_tree


def git(folder: Path, *words: str, given: bytes | None = None) -> bytes:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, input=given, capture_output=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    for name, content in {"src/a.py": b"a = 1\n", "src/b.bin": bytes(range(256)), "src/gone.py": b"x = 0\n",
                          "dvc.lock": b"1\n", ".gitignore": b"/data/\n"}.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    git(folder.parent, "init", "-q", "repository")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_clean_work_tree_is_its_commit(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD").decode().strip()
    (repository / "dvc.lock").write_text("2\n")  # DVC's, between two stages
    (repository / "notes.txt").write_text("a secret\n")
    (repository / "data").mkdir()
    assert (read_work_tree(repository).commit, read_work_tree(repository).diff) == (commit, b"")
    (tmp_path / "none").mkdir()
    assert read_work_tree(tmp_path / "none").commit == "unknown"


def test_the_diff_brings_back_every_byte(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "diff.noprefix", "true")  # what a person has set changes nothing
    git(repository, "config", "color.ui", "always")
    status = git(repository, "status", "--porcelain")
    (repository / "src" / "a.py").write_text("a = 2  # größer\n")
    (repository / "src" / "b.bin").write_bytes(bytes(range(255, -1, -1)))
    (repository / "src" / "gone.py").unlink()
    (repository / "conf" / "tuned").mkdir(parents=True)
    (repository / "conf" / "tuned" / "x y.yaml").write_text("lr: 0.1\n")
    (repository / "src" / "new.bin").write_bytes(b"\0\xff" * 99)
    (repository / "secret.txt").write_text("password\n")
    before = git(repository, "status", "--porcelain", "-z")
    found = read_work_tree(repository)
    assert found.commit.endswith("-dirty")
    assert b"password" not in found.diff
    assert changed_paths(found.diff) == ["conf/tuned/x y.yaml", "src/a.py", "src/b.bin", "src/gone.py", "src/new.bin"]
    assert git(repository, "status", "--porcelain", "-z") == before != status, "looking must leave the index alone"

    again = tmp_path / "again"
    git(repository, "worktree", "add", "--detach", str(again), found.commit.removesuffix("-dirty"))
    git(again, "apply", given=found.diff)
    for name in ("src/a.py", "src/b.bin", "src/new.bin", "conf/tuned/x y.yaml"):
        assert (again / name).read_bytes() == (repository / name).read_bytes(), name
    assert not (again / "src" / "gone.py").exists()
    assert read_work_tree(again).diff == found.diff


def test_what_is_too_large_is_left_out_and_said(repository: Path) -> None:
    (repository / "src" / "large.bin").write_bytes(b"\0" * (MAX_FILE_BYTES + 1))
    (repository / "src" / "b.bin").write_bytes(b"\1" * (MAX_FILE_BYTES + 1))
    (repository / "src" / "a.py").write_text("a = 2\n")
    found = read_work_tree(repository)
    assert left_out_paths(found.diff) == ["src/b.bin", "src/large.bin"]
    assert changed_paths(found.diff) == ["src/a.py", "src/b.bin", "src/large.bin"]
    assert len(found.diff) < 2000
    git(repository, "stash", "--include-untracked")
    git(repository, "apply", given=found.diff)
    assert (repository / "src" / "a.py").read_text() == "a = 2\n"


def test_a_change_in_the_second_of_the_commit_is_seen(repository: Path) -> None:
    """Where size and time are those that the index knows, git compares contents if the index is no newer than they."""
    file, index = repository / "src" / "a.py", repository / ".git" / "index"
    git(repository, "config", "core.trustctime", "false")
    then = file.stat().st_mtime_ns - 10**11
    os.utime(file, ns=(then, then))
    git(repository, "add", "-A")
    file.write_text("a = 2\n")
    for path in (file, index):
        os.utime(path, ns=(then, then))
    assert changed_paths(read_work_tree(repository).diff) == ["src/a.py"]


def test_a_project_below_its_repository(repository: Path) -> None:
    (repository / "src" / "a.py").write_text("a = 2\n")
    (repository / "src" / "src").mkdir()
    (repository / "src" / "src" / "new.py").write_text("\n")
    assert changed_paths(read_work_tree(repository / "src").diff) == ["a.py", "src/new.py"]


def test_dvc_knows_all_that_a_run_hands_on() -> None:
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["train"]
    outs = [*stage["outs"], *(path for plot in stage["plots"] for path in plot)]
    assert {Path(path).name for path in outs} == set(EXPORTED)
