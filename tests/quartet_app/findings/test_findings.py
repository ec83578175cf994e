"""A table of findings in a copy of the repository is trained, measured and concluded through DVC where needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import QUARTET, ROOT, command, copy_project, environment

from quartet.tracking import MLflow
from quartet.types import QuartetError
from quartet_app.findings.run import run_findings
from quartet_app.run.costs import SWITCH
from quartet_app.table.grid import train
from quartet_app.table.table_runs import TableRun, dvc

FEW = ["budget='4 steps'", "validate_every='2 steps'", "trainer.threads=1", "match.parameters=null", "net.width=16"]


@pytest.fixture
def project(tmp_path: Path, own: Path) -> Path:
    folder = copy_project(tmp_path / "project")
    text = [
        "data=own_text",
        f"data.source.folder={own}/text",
        "data.source.tokenizer=character",
        "data.loading.context=64",
    ]
    params = {
        "findings": ["R1", "R3"],
        "seeds": [0, 1],
        "profile": "laptop",
        "overrides": {"finding_text": [*text, *FEW]},
    }
    (folder / "findings").mkdir(exist_ok=True)
    (folder / "findings/params.yaml").write_text(yaml.safe_dump(params))
    for name in ("R1", "R3"):
        change(folder, name, lambda content: content["measure"].update(content["quick"]))
    quartet(folder, "table", "findings")
    return folder


def change(folder: Path, name: str, edit: Any) -> None:
    path = folder / f"conf/finding/{name}.yaml"
    content = yaml.safe_load(path.read_text())
    edit(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def quartet(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*QUARTET, *arguments], cwd=folder, env={**environment(folder), "OMP_NUM_THREADS": "1"}, capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def concluded(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "findings/reports/findings.json").read_text())  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_findings_are_trained_measured_and_concluded(project: Path) -> None:
    some = quartet(project, "findings", "--only", "R3")
    assert "R1  not measured" in some.stdout
    assert concluded(project)["R1"]["verdict"] == "not measured"
    everything = quartet(project, "findings")
    found = concluded(project)
    assert {"holds", "not decided", "does not hold here", "holds in part"} >= {one["verdict"] for one in found.values()}
    assert f"page: {project / 'findings/reports/index.html'}" in everything.stdout
    tracker = MLflow(
        uri=f"sqlite:///{project}/mlflow.db", experiment="quartet", system_metrics=False, patience=60, model=False
    )
    (run,) = tracker.find({"kind": "finding", "finding": "R3"})
    data = tracker.run_data(run)
    assert data is not None
    assert data.tags["verdict"] == found["R3"]["verdict"]
    assert data.metrics.keys() == found["R3"]["numbers"].keys()

    costs = [json.loads(path.read_text()) for path in project.glob("findings/results/*/*/evaluate/cost.json")]
    assert costs
    assert all(cost == {"left_out": "not asked for"} for cost in costs)
    again = quartet(project, "findings")
    assert concluded(project) == found
    assert "2 runs, of which 2 are there already" in again.stdout  # the measurements
    before = {path: path.read_bytes() for path in project.glob("findings/results/measured/*/measured.json")}
    change(project, "R3", lambda content: content.update(rule=[{"number": content["headline"], "above": 1e9}]))
    changed = quartet(project, "findings")
    assert "2 runs, of which 2 are there already" in changed.stdout
    assert concluded(project)["R3"]["verdict"] == "does not hold here"
    assert {path: path.read_bytes() for path in before} == before
    for words in (["status"], ["repro"], ["repro", "stages/finding_text/dvc.yaml:evaluate@0"]):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words], cwd=project / "findings", env=environment(project),
            capture_output=True, text=True,
        )  # fmt: skip
        assert "up to date" in done.stdout, done.stdout + done.stderr
        assert "Running stage" not in done.stdout
    quartet(project, "findings", "--publish", "docs/findings")
    assert {path.name for path in (project / "docs/findings").iterdir()} == {"README.md", "R1.png", "R3.png"}


def test_stages_get_variables_that_the_process_itself_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    (tmp_path / "params.yaml").write_text("findings: [R1]\nseeds: [0]\nprofile: laptop\n")
    with pytest.raises(QuartetError, match="no table, it has no dvc"):
        run_findings(tmp_path, only=[], jobs=1)
    assert SWITCH not in os.environ
    dvc(tmp_path, "init", "--no-scm", "--quiet")
    stage = {"cmd": f'echo "${SWITCH}" > said', "outs": ["said"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"measure-R1": stage}}))
    train(tmp_path, [TableRun("R1", 1, "cpu", ("measure-R1",))], jobs=1, variables={SWITCH: "0"})
    assert (tmp_path / "said").read_text() == "0\n"
    assert SWITCH not in os.environ


def test_what_is_no_finding_or_no_table_of_findings_is_refused(tmp_path: Path) -> None:
    for arguments, message in (
        (["--only", "C77"], "--only C77: not among the findings"),
        (["grid"], "lists no findings"),
        (["--jobs", "0"], "--jobs: given 0"),
    ):
        done = command("findings", *arguments, cwd=ROOT, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
