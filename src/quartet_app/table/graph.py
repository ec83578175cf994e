"""Write a table's dvc.yaml: the project's graph, with the points of its axes or of its findings.

A table of findings has a stage for each measurement, `measure-<id>`, and `conclude` in the place of `compare`. It has
hundreds of runs, so that the stages of each point are in a file of their own, stages/<point>/dvc.yaml: DVC reads and
writes the whole dvc.lock beside a file for each of its stages, which took more time than training did.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from quartet_app.config.project import REPOSITORY
from quartet_app.config.table.axes import Point
from quartet_app.config.table.params import Params, points_and_findings
from quartet_app.files import STAGES

# In the project's dvc.yaml → in a table with axes: the matrix lists the points, and the stages see the axes.
MATRIX = "experiment: ${experiments}"
WITH_AXES = {
    "params: [experiments, profile, overrides]": "params: [experiments, profile, overrides, axes, unless]",
    "params: [experiments, seeds]": "params: [experiments, seeds, axes, unless]",
}
WITH_FINDINGS = {"params: [experiments, profile, overrides]": "params: [findings, profile, overrides, seeds]"}
OF_A_POINT = """\
# `quartet table` writes this file: the stages of one point of the table, in the table's folder.
vars: [../../params.yaml]
stages:
{stages}"""
MEASURE = """\
  measure-{name}:
    cmd: python pipelines/measure.py {name}
    desc: what the trained runs say about the statement
    deps:
      - build/findings/{name}.yaml
      - pipelines/measure.py
{deps}
      - src/quartet/data/loading
      - src/quartet/findings/drawing.py
      - src/quartet/findings/finding.py
      - src/quartet/findings/{family}
      - src/quartet/findings/seeds.py
      - src/quartet/nets
      - src/quartet/tasks
      - src/quartet_app/findings/measure.py
      - src/quartet_app/findings/trained.py
      - src/quartet_app/run/build.py
    outs:
      - results/measured/{name}
"""
CONCLUDE = """\
  conclude:
    cmd: python pipelines/conclude.py
    desc: intervals, verdicts by the rules that were written before, and the page
    deps:
      - conf/finding
      - pipelines/conclude.py
{deps}
      - src/quartet/findings/rule.py
      - src/quartet/report
      - src/quartet_app/findings
    params: [findings]
    outs:
      - reports/index.html:
          persist: true
      - reports/findings.json
      - reports/findings.md
"""


def graph_files(table: Params) -> dict[str, str]:
    """Return the files of a table's graph, by their paths in its folder.

    dvc.yaml is the project's; axes and findings change it to the stages of each point.
    """
    text = (REPOSITORY / "dvc.yaml").read_text(encoding="utf-8")
    if not (table.axes or table.findings):
        return {"dvc.yaml": text}
    listed, by_finding = points_and_findings(table, "params.yaml")
    names = [point.name for point in listed]
    for old, new in (WITH_FINDINGS if table.findings else WITH_AXES).items():
        text = text.replace(old, new)
    if not table.findings:
        return {"dvc.yaml": text.replace(MATRIX, f"experiment: {json.dumps(names)}")}
    first, last = text.index("  train:\n"), text.index("  compare:\n")
    stages = text[first:last].rstrip() + "\n"
    return {
        "dvc.yaml": text[:first] + _findings(table, by_finding),
        **{f"{STAGES}/{name}/dvc.yaml": OF_A_POINT.format(stages=_of_point(stages, name)) for name in names},
    }


def _of_point(stages: str, name: str) -> str:
    """Return the project's stages of a run as those of one point, for its seeds."""
    return (
        stages.replace(f"      {MATRIX}\n", "")
        .replace("${item.experiment}", name)
        .replace("    desc: ", "    wdir: ../..\n    desc: ")
    )


def _findings(table: Params, by_finding: Mapping[str, Mapping[str, list[Point]]]) -> str:
    """Return the stages that measure each finding, and that which concludes."""
    from quartet_app.config.table.findings import read_finding

    measures = []
    for name, runs in by_finding.items():
        family = str(read_finding(name).measure["_target_"]).removeprefix("quartet.findings.").partition(".")[0]
        needed = dict.fromkeys(point.name for found in runs.values() for point in found)
        folders = sorted(f"results/{point}/{seed}" for point in needed for seed in table.seeds)
        measures.append(MEASURE.format(name=name, family=family, deps=_lines(folders)))
    measured = _lines([f"results/measured/{name}" for name in table.findings])
    return "\n".join([*measures, CONCLUDE.format(deps=measured)])


def _lines(paths: list[str]) -> str:
    return "\n".join(f"      - {path}" for path in paths)
