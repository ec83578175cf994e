"""The report's four files: they show the same runs, and the JSON is strict (no NaN)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_runs import run

from quartet.report import summary
from quartet_app.comparison.report import write_report


@pytest.mark.parametrize("nets", [["cnn"], ["cnn", "rnn"]], ids=["alone", "compared"])
def test_the_four_files_show_the_same_runs(nets: list[str], tmp_path: Path) -> None:
    values = {"cnn": 0.9, "rnn": 0.95}
    runs = [
        run("classify", net=net, seed=seed, metrics={"test/accuracy": values[net] + 0.001 * seed * len(net) ** seed})
        for net in nets
        for seed in range(2)
    ]
    write_report(runs, out=tmp_path / "reports")
    written = {path.name: path.read_text() for path in (tmp_path / "reports").iterdir()}
    assert set(written) == {"index.html", "report.md", "results.json", "statistics.json"}
    entries = json.loads(written["results.json"])
    assert [(entry["net"], entry["seed"]) for entry in entries] == [(net, seed) for net in nets for seed in range(2)]
    (statistics,) = json.loads(written["statistics.json"])
    assert [cell["seeds"] for cell in statistics["cells"]] == [[0, 1]] * len(nets)
    assert len(statistics["verdicts"]) == len(nets) - 1
    for verdict in statistics["verdicts"]:
        assert all(verdict in text for text in (written["index.html"], written["report.md"], summary(runs)))
