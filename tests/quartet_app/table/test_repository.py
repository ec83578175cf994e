"""A table is a DVC repository within the project's: each speaks of its own runs, and all share the cache."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import copy_repository, environment
from tracked import copy_tracked

EXPERIMENTS = ("cnn", "mnist1d_rnn")
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b")


class Clone:
    """A clone of the project in which a shrunk table is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**environment(folder), "OMP_NUM_THREADS": "1"}

    def run(self, *words: str, below: str = ".", code: int = 0) -> str:
        done = subprocess.run(
            words, cwd=self.folder / below, env=self.env, text=True, timeout=500,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return done.stdout

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", *IDENTITY, "commit", "--allow-empty", "-qm", "all")

    def repro(self, below: str = ".") -> list[str]:
        """Run `dvc repro`; return the stages that it ran. Fails where DVC warns of an empty output."""
        said = self.run("dvc", "repro", below=below)
        assert "is empty" not in said
        return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]


def shrunk(own: Path, experiments: tuple[str, ...]) -> str:
    few = ["budget='4 steps'", "validate_every='2 steps'", "trainer.threads=1", "data.loading.batch_size=16"]
    arrays = {"cnn": ("own_image_arrays", "images"), "mnist1d_rnn": ("own_series", "series")}
    overrides = {
        name: [f"data={arrays[name][0]}", f"data.source.file={own}/{arrays[name][1]}.npz", *few] for name in experiments
    }
    params = {"experiments": list(experiments), "seeds": [0], "profile": "laptop", "overrides": overrides}
    return yaml.safe_dump(params)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, own: Path) -> Clone:
    """A fresh clone with a table `mine` beside the shipped `grid`; nothing has run."""
    folder = tmp_path_factory.mktemp("within") / "project"
    copy_tracked(copy_repository(folder), "grid", ".dvc", "dvc.yaml", ".gitignore", ".dvcignore")
    (folder / "params.yaml").write_text(shrunk(own, ("cnn",)))
    made = Clone(folder)
    made.run("git", "init", "-q")
    made.run(sys.executable, "-m", "quartet_app", "table", "mine", *EXPERIMENTS)
    (folder / "mine" / "params.yaml").write_text(shrunk(own, EXPERIMENTS))
    made.commit()
    return made


def test_the_root_speaks_of_its_own_table(clone: Clone) -> None:
    status = json.loads(clone.run("dvc", "status", "--json"))
    assert set(status) == {"compose", "prepare", "train@cnn-0", "evaluate@cnn-0", "compare"}
    assert set(json.loads(clone.run("dvc", "status", "--json", below="mine"))) >= {"train@mnist1d_rnn-0"}
    assert "grid" not in clone.run("dvc", "metrics", "show")
    assert clone.run("git", "status", "--short") == ""


def test_a_table_of_the_old_kind_is_refused_with_the_way_out(clone: Clone) -> None:
    (clone.folder / "old").mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(clone.folder / name, clone.folder / "old" / name)
    said = clone.run(sys.executable, "-m", "quartet_app", "grid", "old", code=2)
    assert "quartet table old makes it one" in said.splitlines()[-1]
    clone.run(sys.executable, "-m", "quartet_app", "table", "old")
    assert (clone.folder / "old" / ".dvc" / "config").exists()
    shutil.rmtree(clone.folder / "old")


def test_a_remote_of_the_project_is_a_tables_too(clone: Clone) -> None:
    clone.run("dvc", "remote", "add", "-d", "store", "store")
    clone.run(sys.executable, "-m", "quartet_app", "table", "mine")
    asked = (clone.run("dvc", "remote", "list", below=below).split()[1] for below in (".", "mine"))
    assert {(clone.folder / below / place).resolve() for below, place in zip((".", "mine"), asked, strict=True)} == {
        clone.folder / "store"
    }
    clone.run("git", "checkout", "-q", "--", ".dvc", "mine/.dvc")


@pytest.mark.slow
def test_pushed_cloned_pulled_and_repeated(clone: Clone, tmp_path: Path) -> None:
    clone.run("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    clone.run(sys.executable, "-m", "quartet_app", "table", "mine")
    assert clone.repro() == ["compose", "prepare", "train@cnn-0", "evaluate@cnn-0", "compare"]
    said = clone.run("dvc", "status")
    assert said.splitlines()[-1] == "Data and pipelines are up to date."
    assert clone.repro() == []
    ran = clone.repro("mine")
    assert ran[0] == "compose"
    assert "train@mnist1d_rnn-0" in ran
    assert clone.run("dvc", "status", below="mine").splitlines()[-1] == "Data and pipelines are up to date."
    rows = clone.run("dvc", "metrics", "show").splitlines()
    assert [line for line in rows if "metrics.json" in line]
    assert not [line for line in rows if "mine" in line or "grid" in line]
    clone.commit()
    for below in (".", "mine"):
        clone.run("dvc", "push", below=below)
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(clone.folder), str(folder)], check=True)
    pulled = Clone(folder)
    for below in (".", "mine"):
        pulled.run("dvc", "pull", below=below)
        ran = pulled.repro(below)
        assert not [stage for stage in ran if stage.startswith(("prepare", "train", "evaluate"))]
        assert pulled.run("dvc", "status", below=below).splitlines()[-1] == "Data and pipelines are up to date."
    assert "same to the bit" in pulled.run(sys.executable, "-m", "quartet_app", "trace", "--repeat", "cnn-0")


@pytest.mark.slow
def test_an_experiment_of_dvc_is_quiet_about_other_tables(clone: Clone) -> None:
    clone.repro()
    clone.commit()
    said = clone.run("dvc", "exp", "run", "-S", "seeds=[1]")
    assert "grid" not in said
    assert "train@cnn-1" in said


def test_a_folder_without_git_is_composed_as_a_clone_is(tmp_path: Path, own: Path) -> None:
    """As a downloaded zip: `make` tells DVC, and so does `quartet table` in the tables that it makes."""
    copy_tracked(copy_repository(tmp_path / "zip"), "grid", ".dvc", "dvc.yaml", ".gitignore", ".dvcignore", "Makefile")
    unpacked = Clone(tmp_path / "zip")
    (unpacked.folder / "params.yaml").write_text(shrunk(own, EXPERIMENTS))
    assert "is not a git repository" in unpacked.run("dvc", "repro", "compose", code=255)
    unpacked.run("make", "scm")
    assert "is not a git repository" not in unpacked.run("dvc", "repro", "compose")
    unpacked.run("dvc", "status", below="grid")
    unpacked.run(sys.executable, "-m", "quartet_app", "table", "mine", "cnn")
    unpacked.run("dvc", "repro", "compose", below="mine")
    assert (unpacked.folder / "mine" / "build" / "cnn.yaml").exists()


@pytest.fixture
def foreign(tmp_path: Path, own: Path) -> Clone:
    """A clone in a folder of an umlaut, where the system's encoding knows none and Python is told not to help."""
    folder = tmp_path / "jörg"
    copy_tracked(copy_repository(folder), "grid", ".dvc", "dvc.yaml", ".gitignore", ".dvcignore", "Makefile")
    made = Clone(folder)
    made.env |= {"LC_ALL": "C", "PYTHONUTF8": "0"}
    (folder / "params.yaml").write_text(shrunk(own, ("cnn",)))
    made.run("git", "init", "-q")
    return made


def test_make_tells_dvc_the_encoding_of_names(foreign: Clone) -> None:
    assert "surrogates" in foreign.run("dvc", "repro", "compose", code=255), "what make is to prevent"
    (foreign.folder / "probe.mk").write_text("include Makefile\nprobe:\n\t@dvc repro compose\n")
    foreign.run("make", "-f", "probe.mk", "probe")
    assert (foreign.folder / "build" / "cnn.yaml").exists()


@pytest.mark.slow
def test_a_table_is_run_where_the_system_knows_no_umlaut(foreign: Clone, own: Path) -> None:
    table = foreign.folder / "größe"
    foreign.run(sys.executable, "-m", "quartet_app", "table", "größe", "cnn")
    (table / "params.yaml").write_text(shrunk(own, ("cnn",)))
    foreign.run(sys.executable, "-m", "quartet_app", "grid", "größe")
    assert (table / "results" / "cnn" / "0" / "train" / "run.json").exists()
    assert (table / "reports" / "index.html").exists()
    foreign.run(sys.executable, "-m", "quartet_app", "plan", "größe/build/cnn.yaml", "--no-measure")
