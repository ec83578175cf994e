"""Test a sweep's figures and table: the best trial, the drawn and the counted trials, and that every case draws."""

from __future__ import annotations

import math
from io import BytesIO
from typing import Any

import pytest

from quartet.report.sweep import Mode, Trial, best, learning_curves, parallel_coordinates, table
from quartet.report.sweep.canvas import BEST
from quartet.report.sweep.coordinates import ABSENT

STUDY = [
    Trial(0, {"lr": 1e-3, "net": "rnn"}, "finished", 0.5, [(1000, 0.9), (2000, 0.5)]),
    Trial(1, {"lr": 1e-1, "net": "transformer", "heads": 4}, "stopped", 0.3, [(1000, 0.3)]),
    Trial(2, {"lr": 3.14159e-5, "net": "transformer", "heads": 8}, "finished", 0.4, [(1000, 0.6), (117_322, 0.4)]),
    Trial(3, {"lr": 1.0, "net": "rnn"}, "failed", None),
    Trial(4, {"lr": 2.0, "net": "rnn"}, "finished", math.nan, [(1000, 0.8), (2000, math.nan)]),
    Trial(5, {"lr": 1e-2, "net": "rnn"}, "running", None),
    Trial(6, {"lr": 1e-2, "net": "rnn"}, "failed", 0.1, [(1000, 0.1)]),
]


def texts(figure: Any) -> list[str]:
    """Draw the figure and return its texts."""
    from matplotlib.text import Text

    figure.savefig(BytesIO(), dpi=30)
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def lines(figure: Any) -> dict[int, Any]:
    """Return the trials' lines by number, in drawing order."""
    return {int(line.get_gid().removeprefix("trial-")): line for line in figure.axes[0].lines}


def test_the_best_has_finished() -> None:
    assert best(STUDY, mode="min") is STUDY[2]
    assert best(STUDY, mode="max") is STUDY[0]
    assert best([STUDY[1], STUDY[3]], mode="min") is STUDY[1]
    assert best([STUDY[3], STUDY[5]], mode="min") is None
    assert best([], mode="max") is None
    twice = [Trial(8, {}, "finished", 0.5), STUDY[0]]
    assert best(twice, mode="min") is STUDY[0]


def test_a_table_has_the_best_first_and_trials_without_a_score_last() -> None:
    header, rows = table(STUDY, mode="min")
    assert header == ["rank", "trial", "status", "score", "reached", "lr", "net", "heads"]
    assert [row[1] for row in rows] == ["6", "1", "2", "0", "3", "4", "5"]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "–", "–", "–"]
    assert rows[1] == ["2", "1", "stopped early", "0.3000", "1 k".replace(" ", "\u202f"), "0.1", "transformer", "4"]
    assert rows[2][4:] == ["117\u202fk", "3.14e-5", "transformer", "8"]
    assert rows[3][-1] == "–"
    assert rows[4][2:5] == ["failed", "–", "–"]
    assert [row[1] for row in table(STUDY, mode="max", limit=2)[1]] == ["0", "2"]
    assert table([], mode="min") == (["rank", "trial", "status", "score", "reached"], [])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"), (None, "null"), (128, "128"), (16384, "16384"), (0.5, "0.5"), (1e-5, "1e-5"), (2.0, "2"),
        (0.012345, "0.0123"), (3.0e7, "3e7"), ("gelu", "gelu"), ([64, 0.5, None], "[64, 0.5, null]"), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_values_are_short(value: object, written: str) -> None:
    assert table([Trial(0, {"x": value}, "running", None)], mode="min")[1][0][-1] == written


@pytest.mark.parametrize(("score", "written"), [(0.000123456, "0.0001235"), (1.5e30, "1.5e30"), (0.0, "0.0000")])
def test_scores_are_short(score: float, written: str) -> None:
    assert table([Trial(0, {}, "finished", score)], mode="min")[1][0][3] == written


def test_parallel_coordinates() -> None:
    figure = parallel_coordinates(STUDY, objective="val/$loss", mode="min", log={"lr"})
    said = texts(figure)
    assert r"val/\$loss (lower is better)" "\n" "7 trials, not drawn: 3 failed, 1 without a score" in said
    assert {"lr\n(log)", "net", "heads", "rnn", "transformer", "n/a", "0.1", "3.14e-5", "4", "8"} <= set(said)
    assert {"finished", "stopped early", "best: trial 2", "0.4000 (trial 2)", "0.5000"} <= set(said)
    assert "running" not in said
    plotted = lines(figure)
    assert list(plotted) == [0, 2, 1]  # worse before better …
    assert max(plotted.values(), key=lambda line: line.get_zorder()) is plotted[2]  # … and the best on top
    assert plotted[2].get_color() == BEST
    assert plotted[2].get_linewidth() > plotted[0].get_linewidth() > plotted[1].get_linewidth()
    assert plotted[1].get_linestyle() == "--" != plotted[0].get_linestyle()
    lr, net, heads, score = plotted[0].get_ydata()
    assert lr == pytest.approx((math.log(1e-3) - math.log(3.14159e-5)) / (math.log(0.1) - math.log(3.14159e-5)))
    assert net == pytest.approx(0, abs=0.03)
    assert heads == pytest.approx(ABSENT, abs=0.03)
    assert score == 1


def test_a_diverged_score_does_not_compress_the_others() -> None:
    trials = [Trial(i, {"lr": 0.1 * i}, "finished", 0.5 + 0.1 * i, [(1, 0.5 + 0.1 * i)]) for i in range(8)]
    trials.append(Trial(8, {"lr": 1.0}, "finished", 1e30, [(1, 1e30)]))
    figure = parallel_coordinates(trials, objective="loss", mode="min")
    assert "≥ 1.200" in texts(figure)
    assert [line.get_ydata()[-1] for line in lines(figure).values()][:3] == pytest.approx([1, 1, 6 / 7])
    curves = learning_curves(trials, objective="loss", mode="min")
    texts(curves)
    assert curves.axes[0].get_ylim()[1] < 2


def test_learning_curves() -> None:
    figure = learning_curves(STUDY, objective="loss", mode="max", clock="tokens")
    said = texts(figure)
    assert {"tokens", "loss", "trial 0", "best: trial 0", "finished", "stopped early", "failed"} <= set(said)
    assert "loss (higher is better)\n7 trials, not drawn: 2 without a curve" in said
    plotted = lines(figure)
    assert set(plotted) == {0, 1, 2, 4, 6}
    assert plotted[0].get_color() == BEST
    assert [list(plotted[4].get_xdata()), list(plotted[4].get_ydata())] == [[1000], [0.8]]
    assert plotted[4].get_color() == plotted[6].get_color()  # not a number is a failure
    assert plotted[1].get_marker() == "o"
    assert plotted[1].get_markevery() == [-1]


def many(count: int, parameters: int) -> list[Trial]:
    choices: list[list[Any]] = [
        [1e-3, 1e-1, 1.0, 2e-5, 0.3, 0.7, 4e-4], [64, 128, 256], ["rnn", "a very long name of a net"], [True, False],
        [None, 0.5, 1.0], [[64, 64], [32]], [3], [0, 1e-6], list("abcdefghijklmnopqrstuvwxyz"), [1e-12, 2e-12],
        [5.0, 7.0], [math.inf, 1.0],
    ]  # fmt: skip
    trials = []
    for i in range(count):
        values = {f"group.long_parameter_{j}": of[(i * (j + 3)) % len(of)] for j, of in enumerate(choices[:parameters])}
        if i % 3 == 2 and parameters > 1:
            values.popitem()
        status = ("finished", "stopped", "running", "failed", "finished")[i % 5]
        trials.append(Trial(i, values, status, 1 / (1 + i % 17), [(1000, 1.0), (2000 + i, 1 / (1 + i % 17))]))
    return trials


@pytest.mark.parametrize(
    ("trials", "plotted"),
    [
        ([], 0),
        ([Trial(0, {"lr": 0.1}, "failed", None)], 0),
        ([Trial(0, {"lr": 0.1}, "finished", math.inf)], 0),
        ([Trial(0, {}, "finished", 0.5, [(10, 0.5)])], 1),
        (many(1, 1), 1),
        (many(2, 12), 2),
        (many(10, 1), 8),
        (many(200, 12), 160),
        ([Trial(i, {"lr": 0.1, "net": "rnn"}, "finished", 0.0, [(0, 0.0)]) for i in range(3)], 3),
    ],
    ids=["none", "failed", "infinite", "no_parameter", "one", "two", "one_parameter", "many", "constant"],
)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_every_case_draws(trials: list[Trial], plotted: int, mode: Mode) -> None:
    log = {"group.long_parameter_0", "group.long_parameter_7", "lr", "val/loss"}
    figure = parallel_coordinates(trials, objective="val/loss", mode=mode, log=log)
    said = texts(figure)
    assert len(lines(figure)) == plotted
    assert ("no trial has a score" in said) == (plotted == 0)
    curves = learning_curves(trials, objective="val/loss", mode=mode)
    texts(curves)
    assert len(lines(curves)) == sum(bool(trial.curve) for trial in trials)
