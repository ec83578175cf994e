"""Findings are read with their runs; what two name alike is trained once; a rule trains and measures nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT

from quartet.types import QuartetError
from quartet_app.config.composing import compose
from quartet_app.config.resolved import Config
from quartet_app.config.table.findings import finding_ids, read_finding
from quartet_app.config.table.params import points, read_params
from quartet_app.config.table.resolve import write_table
from quartet_app.table.graph import graph_files
from quartet_app.table.make import update_graph

PLAIN: dict[str, Any] = {
    "statement": "Small kernels do.",
    "runs": {
        "cnn": {"experiment": "mnist1d_cnn"},
        "kernels": {"experiment": "mnist1d_cnn", "overrides": {"optimizer.lr": 0.5}, "axes": {"net.kernel": [3, 5]}},
    },
    "measure": {"_target_": "quartet.findings.convolution.kernels", "images": 7},
    "rule": [{"number": "gain", "above": 0.1}],
    "headline": "gain",
    "against": "It is only one data set.",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two findings of its own, X1 and X2, and a table of them."""
    (tmp_path / "conf/finding").mkdir(parents=True)
    write(tmp_path, "X1", PLAIN)
    write(tmp_path, "X2", {**PLAIN, "runs": {"one": {"experiment": "mnist1d_cnn"}}})
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump({"findings": ["X1", "X2"], "seeds": [0, 1], "profile": "laptop"})
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, content: dict[str, Any]) -> None:
    (folder / f"conf/finding/{name}.yaml").write_text(yaml.safe_dump(content))


def names(folder: Path) -> list[str]:
    return [point.name for point in points(read_params(folder / "params.yaml"), "params.yaml")]


def test_runs_that_findings_share_are_trained_once(project: Path) -> None:
    assert names(project) == ["mnist1d_cnn", "mnist1d_cnn+lr-0.5", "mnist1d_cnn+lr-0.5+kernel-5"]


def test_an_experiment_is_composed_once_and_each_of_its_runs_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed: list[list[str]] = []

    def counted(given: list[str]) -> Config:
        composed.append(given)
        return compose(given)

    monkeypatch.setattr("quartet_app.config.table.params.compose", counted)
    write_table(project / "params.yaml", project / "build")
    assert len(composed) == 1 + 3
    composed.clear()
    graph_files(read_params(project / "params.yaml"))
    assert len(composed) == 1


def test_a_run_of_many_settings_has_a_short_name_of_its_own(project: Path) -> None:
    many = {"net.kernel": 5, "optimizer.lr": 0.123456, "optimizer.weight_decay": 0.0123456, "net.dropout": 0.123456}
    for number, more in enumerate(({}, {"net.stages": 2})):
        runs = {"one": {"experiment": "mnist1d_cnn", "overrides": {**many, "schedule.min_lr_ratio": 0.0123456, **more}}}
        write(project, f"X{number + 1}", {**PLAIN, "runs": runs})
    first, second = names(project)
    assert first != second
    assert all(re.fullmatch(r"mnist1d_cnn\+[0-9a-f]{10}", name) for name in (first, second))


def test_a_changed_rule_changes_no_file_that_training_or_measuring_depends_on(project: Path) -> None:
    def composed() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in write_table(project / "params.yaml", project / "build")}

    before = composed()
    assert project / "build/findings/X1.yaml" in before
    write(project, "X1", {**PLAIN, "rule": [{"number": "gain", "above": 0.2}]})
    assert composed() == before
    write(project, "X1", {**PLAIN, "measure": {**PLAIN["measure"], "images": 8}})
    assert [path.name for path, content in composed().items() if content != before[path]] == ["X1.yaml"]


def test_each_finding_has_a_stage_that_depends_on_its_own_runs(project: Path) -> None:
    files = graph_files(read_params(project / "params.yaml"))
    assert list(files) == ["dvc.yaml", *(f"stages/{name}/dvc.yaml" for name in names(project))]
    stages = yaml.safe_load(files["dvc.yaml"])["stages"]
    one = stages["measure-X2"]
    assert {"results/mnist1d_cnn/0", "results/mnist1d_cnn/1", "src/quartet/findings/convolution"} < set(one["deps"])
    assert "results/mnist1d_cnn+lr-0.5/0" not in one["deps"]
    assert one["outs"] == ["results/measured/X2"]
    assert "compare" not in stages
    assert {"results/measured/X1", "results/measured/X2", "conf/finding"} < set(stages["conclude"]["deps"])


def test_the_shipped_table_has_the_graph_of_all_findings() -> None:
    params = ROOT / "findings/params.yaml"
    assert read_params(params).findings == finding_ids()
    written = {path.relative_to(params.parent).as_posix() for path in params.parent.glob("stages/*/dvc.yaml")}
    files = graph_files(read_params(params))
    assert written == files.keys() - {"dvc.yaml"}
    for name, text in files.items():
        assert (params.parent / name).read_text() == text, "run quartet table findings"


def test_the_graph_is_renewed_where_points_come_and_go(project: Path) -> None:
    update_graph(project)
    written = {path.parent.name for path in (project / "stages").glob("*/dvc.yaml")}
    assert written == set(names(project))
    (project / "stages" / "mine").mkdir()
    (project / "stages" / "mine" / "notes.txt").touch()
    write(project, "X1", {**PLAIN, "runs": {"other": {"experiment": "mnist1d_rnn"}}})
    with pytest.raises(QuartetError, match=r"changed since dvc.yaml was written"):
        write_table(project / "params.yaml", project / "build")
    update_graph(project)
    renewed = {path.parent.name for path in (project / "stages").glob("*/dvc.yaml")}
    assert renewed == set(names(project)) != written
    assert (project / "stages" / "mine" / "notes.txt").exists(), "a person's own"
    write_table(project / "params.yaml", project / "build")


def test_the_stages_of_a_point_are_the_project_s(project: Path) -> None:
    """They work in the table's folder, for the seeds of its params.yaml."""
    usual = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name in names(project):
        file = yaml.safe_load(graph_files(read_params(project / "params.yaml"))[f"stages/{name}/dvc.yaml"])
        assert file["vars"] == ["../../params.yaml"]
        for stage in ("train", "evaluate"):
            own = file["stages"][stage]
            assert (own.pop("wdir"), own.pop("matrix")) == ("../..", {"seed": "${seeds}"})
            shared = yaml.safe_load(json.dumps(usual[stage]).replace("${item.experiment}", name))
            assert own == {key: value for key, value in shared.items() if key != "matrix"}


@pytest.mark.slow
def test_the_shipped_table_composes(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "findings/params.yaml", tmp_path / "params.yaml")
    written = write_table(tmp_path / "params.yaml", tmp_path / "build")
    assert {path.stem for path in written if path.parent.name == "findings"} == set(finding_ids())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"statment": "x"}, "X1.yaml: statment: no such key; did you mean statement"),
        ({"headline": ""}, "headline: not given"),
        ({"measure": {"images": 7}}, "measure: needs a _target_"),
        ({"rule": [{"number": "gain"}]}, "rule: gain: needs either above or below"),
        ({"rule": [{"number": "gain", "over": 1}]}, "rule: given .* needs {number: NAME, above: X}"),
        ({"rule": [{"number": "gain", "above": "much"}]}, "rule|much"),
        ({"runs": {"cnn": {"experiment": "mnist1d_cn"}}}, "runs.cnn: mnist1d_cn: no such experiment; did you mean"),
        ({"runs": {"cnn": {}}}, "runs.cnn: given {}, needs an experiment"),
        (
            {"runs": {"cnn": {"experiment": "mnist1d_cnn", "axis": {}}}},
            "runs.cnn: axis: no such key; did you mean axes",
        ),
        ({"runs": {"cnn": {"experiment": "mnist1d_cnn", "axes": {"net.kernel": [3]}}}}, "two or more"),
        ({"runs": {"cnn": {"experiment": "mnist1d_cnn", "overrides": ["net.kernel=3"]}}}, "needs a mapping"),
    ],
)
def test_mistakes_are_refused_with_their_key(project: Path, change: dict[str, Any], says: str) -> None:
    write(project, "X1", {**PLAIN, **change})
    with pytest.raises(QuartetError, match=says):
        read_finding("X1")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"findings": ["X3"]}, "X3: no such finding; there are"),
        ({"findings": ["X1", "X1"]}, "findings: given"),
        ({"axes": {"net.kernel": [3, 5]}}, "axes: given beside findings"),
        ({"experiments": ["cnn"]}, "experiments: given beside findings"),
    ],
)
def test_a_table_of_findings_lists_nothing_else(project: Path, change: dict[str, Any], says: str) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    (project / "params.yaml").write_text(yaml.safe_dump({**params, **change}))
    with pytest.raises(QuartetError, match=says):
        names(project)
