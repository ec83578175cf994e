"""`quartet findings --quick` trains, measures and concludes every finding of conf/, on made-up data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import command

from quartet_app.config.table.findings import finding_ids

VERDICTS = {"holds", "holds in part", "does not hold here", "not decided"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", ["C", "R", "T", "G"])
def test_each_finding_can_be_tried(family: str, tmp_path: Path) -> None:
    names = [name for name in finding_ids() if name.startswith(family)]
    done = command("findings", "--quick", "--only", ",".join(names), cwd=tmp_path, limit=800)
    found = json.loads((tmp_path / "runs/quick/reports/findings.json").read_text())
    assert list(found) == names
    assert {finding["verdict"] for finding in found.values()} <= VERDICTS
    assert [line.split()[0] for line in done.stdout.splitlines()[-len(names) - 1 : -1]] == names
    for name in names:
        assert list((tmp_path / "runs/quick/measured" / name).glob("*.png")), f"{name} draws nothing"


def test_a_finding_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = command("findings", "--quick", "--only", "C2,X9", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "--only X9: no such finding" in done.stderr
