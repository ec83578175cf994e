"""From measured values to intervals, verdicts, the page and its files."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import t

from quartet.findings import Condition
from quartet.report.findings import markdown, page
from quartet_app.config.table.findings import Finding, finding_ids
from quartet_app.findings.conclude import (
    conclude,
    publish,
    ratio_with_interval,
    rule_commit,
    summary,
    with_interval,
    write_reports,
)
from quartet_app.findings.measure import NUMBERS

PIXEL = b"a picture"


@pytest.fixture
def finding() -> Finding:
    """A finding of a shipped id, whose rule is ours."""
    rule = (Condition("gain", above=0.1), Condition("error", below=1e-5))
    return Finding(finding_ids()[0], "Water is wet.", {}, {}, {}, rule, "gain", "It was a dry day.")


def measured(folder: Path, gain: list[float], error: list[float]) -> Path:
    folder.mkdir()
    numbers = {"gain": {"values": gain, "about": "points gained"}, "error": {"values": error, "about": "largest error"}}
    content: dict[str, Any] = {"numbers": numbers, "figures": ["curve"], "texts": {"Shown": "a <b> c"}}
    (folder / NUMBERS).write_text(json.dumps({**content, "seeds": [0, 1, 2], "runs": 6, "commit": "abc"}))
    (folder / "curve.png").write_bytes(PIXEL)
    return folder


def test_an_interval_over_seeds_is_students() -> None:
    found = with_interval([1.0, 2.0, 3.0], "x")
    reach = float(t.ppf(0.975, 2)) / math.sqrt(3)
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, 2 - reach, 2 + reach))
    assert found.covers == "seeds alone"


def test_an_interval_over_scores_covers_examples_too() -> None:
    scores = [[0.0, 1.0] * 50, [0.0, 0.0, 1.0, 1.0] * 25]
    found = with_interval(scores, "x")
    assert (found.low, found.high) == pytest.approx((0.43, 0.57), abs=0.005)
    assert found.covers == "test examples alone"  # both seeds have the same share


def test_a_share_of_all_keeps_some_width_and_equal_numbers_have_none() -> None:
    assert with_interval([[1.0] * 100] * 3, "x").low == pytest.approx(0.962, abs=0.003)  # Wilson's of 100 out of 100
    exact = with_interval([0.0, 0.0, 0.0], "x")
    assert (exact.low, exact.high) == (0.0, 0.0)


def test_twice_and_half_are_equally_far_from_the_same() -> None:
    found, turned = ratio_with_interval([0.5, 1.0, 2.0], "x"), ratio_with_interval([2.0, 1.0, 0.5], "x")
    assert found.mean == pytest.approx(1.0)
    assert found.low == pytest.approx(1 / found.high)
    assert (found.low, found.high) == pytest.approx((turned.low, turned.high))
    assert 0 < found.low < 0.5
    assert "no interval" in str(ratio_with_interval([2.0], "x"))


def test_one_seed_has_no_interval_and_decides_nothing(finding: Finding, tmp_path: Path) -> None:
    concluded = conclude(finding, measured(tmp_path / "m", [0.5], [0.0]))
    assert concluded.verdict == "not decided"
    assert str(concluded.numbers["gain"]) == "0.5000 (no interval)"


@pytest.mark.parametrize(
    ("gain", "error", "verdict"),
    [
        ([0.5, 0.51, 0.52], [1e-7, 2e-7, 1e-7], "holds"),
        ([0.5, 0.51, 0.52], [1.0, 1.1, 1.0], "holds in part"),
        ([0.0, 0.01, 0.0], [1.0, 1.1, 1.0], "does not hold here"),
        ([0.0, 0.2, 0.4], [1e-7, 2e-7, 1e-7], "not decided"),
    ],
)
def test_the_verdict_follows_from_the_rule(
    finding: Finding, tmp_path: Path, gain: list[float], error: list[float], verdict: str
) -> None:
    concluded = conclude(finding, measured(tmp_path / "m", gain, error))
    assert concluded.verdict == verdict


def test_the_commit_of_a_rule(tmp_path: Path) -> None:
    rule = tmp_path / "C2.yaml"
    rule.write_text("one")
    assert rule_commit(rule) == "unknown"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "rule"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert rule_commit(rule) == head
    rule.write_text("two")
    assert rule_commit(rule) == f"{head} (changed since)"


def test_how_far_a_number_is_from_another_verdict(finding: Finding, tmp_path: Path) -> None:
    concluded = conclude(finding, measured(tmp_path / "m", [0.3, 0.3, 0.3], [1.0, 1.0, 1.0]))
    gain, error = concluded.rule
    assert (gain.met, gain.room) == (True, pytest.approx(0.2))
    assert (error.met, error.room) == (False, pytest.approx(1e-5 - 1.0))
    assert "would have to move by 0.2000" in gain.outcome


def test_what_is_not_measured_says_so_everywhere(finding: Finding, tmp_path: Path) -> None:
    concluded = [conclude(finding, tmp_path / "nothing")]
    write_reports(concluded, tmp_path / "reports")
    assert summary(concluded) == [f"{finding.id}  not measured"]
    assert "Not measured yet: quartet findings --only" in (tmp_path / "reports/index.html").read_text()
    assert json.loads((tmp_path / "reports/findings.json").read_text())[finding.id]["verdict"] == "not measured"


def test_the_page_shows_all_that_was_found(finding: Finding, tmp_path: Path) -> None:
    concluded = [conclude(finding, measured(tmp_path / "m", [0.5, 0.51, 0.52], [1e-7, 2e-7, 1e-7]))]
    text = page(concluded)
    for part in ("Water is wet.", "holds", "gain above 0.1", "points gained", "a &lt;b&gt; c", "It was a dry day.",
                 "data:image/png;base64,", "measured by commit abc", "1.3e-07"):  # fmt: skip
        assert part in text
    assert "0.5100" in markdown(concluded)
    publish(concluded, tmp_path / "docs")
    assert (tmp_path / "docs" / f"{finding.id}.png").read_bytes() == PIXEL
    text = (tmp_path / "docs/README.md").read_text()
    assert f"![curve]({finding.id}.png)" in text
    (found,) = concluded
    for bound in found.rule:
        assert f"- **{bound.word}**: {bound.words}. It is {found.numbers[bound.name]}" in text
    assert f"rule of {found.rule_commit}, measured by {found.commit[:7]}" in text


def test_findings_are_in_the_articles_order() -> None:
    kinds = [name[0] for name in finding_ids()]
    assert kinds == sorted(kinds, key="CRTG".index)
