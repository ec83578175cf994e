"""The whole graph, run by DVC itself on small data in a copy of the repository."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT, copy_repository, environment

pytestmark = pytest.mark.slow

EXPERIMENTS = ("cnn", "rnn")


class Project:
    """A copy of the repository that trains two experiments for a few steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**environment(folder), "OMP_NUM_THREADS": "1"}
        # Byte code is written, as for a user: DVC must not take it for a change of the sources.
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(arguments, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def repro(self) -> list[str]:
        """Run `dvc repro`; returns the stages that it ran."""
        output = self.run("dvc", "repro").splitlines()
        return [line.split("'")[1] for line in output if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, own: Path) -> Project:
    folder = copy_repository(tmp_path_factory.mktemp("graph") / "project")
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copyfile(ROOT / name, folder / name)
    few = ["budget='4 steps'", "validate_every='2 steps'", "trainer.threads=1"]
    overrides = {
        "cnn": ["net.width=8", "data=own_image_arrays", f"data.source.file={own}/images.npz", *few],
        "rnn": ["net.width=16", "data=own_text", f"data.source.folder={own}/text", "data.source.vocabulary=300",
                "data.loading.context=24", "task.tokens=5", *few],
    }  # fmt: skip
    params = {"experiments": list(EXPERIMENTS), "seeds": [0], "profile": "laptop", "overrides": overrides}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    project = Project(folder)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    return project


def results(project: Project) -> dict[str, dict[str, Any]]:
    return {entry["experiment"]: entry for entry in json.loads((project.folder / "reports/results.json").read_text())}


def test_dvc_repro_runs_every_stage_once(project: Project) -> None:
    ran = project.repro()
    assert ran[0] == "compose"
    assert ran[1] == "prepare"
    assert ran[-1] == "compare"
    assert set(ran[2:-1]) == {f"{stage}@{name}-0" for stage in ("train", "evaluate") for name in EXPERIMENTS}
    written = {path.name for path in (project.folder / "reports").iterdir()}
    assert {"index.html", "report.md", "results.json", "statistics.json"} <= written
    found = results(project)
    assert set(found) == set(EXPERIMENTS)
    assert {"test/accuracy", "val/accuracy"} <= set(found["cnn"]["metrics"])
    assert "test/bits_per_character" in found["rnn"]["metrics"]
    for key in ("config_hash", "data_digest", "git_commit", "mlflow_run_id", "parameters", "flops", "train_seconds"):
        assert found["cnn"][key], key
    shown = json.loads(project.run("dvc", "metrics", "show", "--json"))
    metrics = next(iter(shown.values()))["data"]["results/cnn/0/evaluate/metrics.json"]["data"]
    assert metrics["test/accuracy"] == found["cnn"]["metrics"]["test/accuracy"]
    assert "http" not in (project.folder / "reports/index.html").read_text().replace("http-equiv", "").replace(
        "http://www.w3.org", ""
    )


def test_a_second_time_runs_nothing(project: Project) -> None:
    assert project.repro() == []


def test_a_table_that_was_changed_and_restored_is_compared_anew(project: Project) -> None:
    path = project.folder / "params.yaml"
    before = path.read_text()
    path.write_text(yaml.safe_dump({**yaml.safe_load(before), "experiments": ["cnn"]}))
    assert project.repro()[-1] == "compare"
    path.write_text(before)
    assert project.repro()[-1] == "compare"
    assert project.repro() == []


def test_an_edit_to_one_net_reruns_its_experiment_only(project: Project) -> None:
    path = project.folder / "conf" / "net" / "rnn.yaml"
    path.write_text(path.read_text().replace("layers: 2", "layers: 1"))
    assert project.repro() == ["compose", "train@rnn-0", "evaluate@rnn-0", "compare"]


def test_an_edit_to_a_data_set_reruns_the_experiments_on_it(project: Project) -> None:
    path = project.folder / "conf" / "data" / "own_text.yaml"
    text = path.read_text()
    path.write_text(text.replace("validation: 0.05", "validation: 0.1", 1))
    assert path.read_text() != text
    assert project.repro() == ["compose", "prepare", "train@rnn-0", "evaluate@rnn-0", "compare"]


def test_a_clone_pulls_and_trains_nothing(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    project.run("dvc", "push")
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(project.folder), str(clone)], check=True)
    cloned = Project(clone)
    cloned.run("dvc", "pull")
    ran = cloned.repro()
    assert not [stage for stage in ran if stage.startswith(("prepare", "train", "evaluate"))]
    assert results(cloned)["cnn"]["metrics"] == results(project)["cnn"]["metrics"]


def test_the_plan_shows_which_runs_dvc_would_train_again(project: Project) -> None:
    def states() -> set[str]:
        rows = json.loads(project.run("python", "-m", "quartet_app", "plan", "--json", "--no-measure"))
        return {seed["state"] for row in rows for seed in row["seeds"]}

    project.repro()
    assert states() == {"done"}
    sources = project.folder / "src" / "quartet"
    for name, expected in (("export.py", "done"), ("nets/base.py", "changed")):  # training does not use the first one
        (sources / name).write_text((sources / name).read_text() + "\n# one more line\n")
        assert states() == {expected}
