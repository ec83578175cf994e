"""The answer with its forecast: in sentences, in JSON and in the page's charts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from report.learning_curves import RUNGS

from quartet.report.answering.answer import Answer, Growth, Tuning
from quartet.report.answering.section import answer_section
from quartet.report.drawing.numerals import NARROW_SPACE

NAMES = {"line_cnn": "the CNN", "line_transformer": "the Transformer", "line_mlp": "line_mlp"}
SHARES = {25.0: 0.25, 50.0: 0.5, 100.0: 1.0}
Line = Mapping[float, Sequence[float]]


def law(a: float, b: float, c: float = 0.0, *, unit: float = 20.0, noise: float = 0.002) -> dict[float, list[float]]:
    """Accuracies of three seeds by the seconds of training, along a power law of the error."""
    return {unit * x: [1 - (c + a * x**-b) + noise * step for step in (-1, 0, 1)] for x in RUNGS}


FAST, SLOW = law(0.05, 0.2, 0.15), law(0.24, 0.6)


def answer(lines: Mapping[str, Line], *more: Growth, winner: str = "line_cnn", competing: Sequence[str] = ()) -> Answer:
    tunings = tuple(Tuning(name, 12, (0.7,), (0.8,), (0.8,), ()) for name in [*lines, *competing])
    growths = (Growth("training", "seconds of training", lines), *more)
    return Answer(
        winner, "Take the CNN of 10 k parameters.", ("Sure.",), (), tunings, growths, "val/accuracy", "max", NAMES
    )


def test_the_net_that_overtakes_is_named_and_where() -> None:
    given = answer({"line_cnn": FAST, "line_transformer": SLOW})
    assert given.opening == (
        "Take the CNN of 10 k parameters; with 4 times the training the Transformer is likely to overtake it."
    )
    said = [text.replace(NARROW_SPACE, " ") for text in given.forecasts]
    at_10 = next(text for text in said if text.startswith("With 10 times the training (3 min 20 s)"))
    assert "the Transformer is likely to be the best; validation accuracy of the Transformer 0.9" in at_10
    assert re.search(r"the CNN 0\.8\d+ \(0\.[78]\d+ to 0\.8\d+\)\.$", at_10)
    crossing = next(text for text in said if "overtakes" in text)
    assert re.fullmatch(
        r"The Transformer overtakes the CNN at about \d\d\.\d s of training \(90% interval .+ s to .+ s\)\.", crossing
    ), crossing  # fmt: skip
    assert "made-up" in said[-1]


def test_alike_nets_have_no_winner_with_more() -> None:
    given = answer({"line_cnn": FAST, "line_transformer": law(0.05, 0.2, 0.15, noise=0.004)})
    assert given.opening == given.headline
    assert sum("it cannot be said which net is best" in text for text in given.forecasts) == 2
    assert not any("overtakes" in text for text in given.forecasts)


@pytest.mark.parametrize("third", [None, {20.0: [0.1, 0.1]}, {2.5: [0.9, 0.9], 5.0: [0.5, 0.5], 20.0: [0.1, 0.1]}])
def test_no_winner_is_named_where_a_net_has_no_forecast(third: Line | None) -> None:
    lines = {"line_cnn": FAST, "line_transformer": SLOW} | ({"line_mlp": third} if third else {})
    given = answer(lines, competing=() if third else ("line_mlp",))
    assert given.opening == given.headline
    assert all(one.winner is None for of in given.outlooks for one in of.forecasts)
    assert any("the scores of line_mlp allow no forecast" in text for text in given.forecasts)


def test_data_are_told_in_multiples() -> None:
    shares = [{at: line[20 * x] for at, x in SHARES.items()} for line in (FAST, SLOW)]
    grown = Growth("training data", "per cent of the training data", dict(zip(NAMES, shares, strict=False)))
    of = answer({}, grown, competing=("line_cnn", "line_transformer")).outlooks[0]
    assert [one.at for one in of.forecasts] == [400.0, 1000.0]
    said = answer({}, grown, competing=("line_cnn", "line_transformer")).forecasts
    assert said[0].startswith("With 4 times the training data ")
    assert not any(" s)" in text for text in said)


def test_json_has_every_number_and_no_nan() -> None:
    given = answer({"line_cnn": FAST, "line_transformer": SLOW})
    facts: dict[str, Any] = json.loads(json.dumps(given.facts(), allow_nan=False))
    assert facts["headline"] == given.opening
    (of,) = facts["outlook"]
    assert [(one["factor"], one["at"]) for one in of["forecasts"]] == [(4, 80.0), (10, 200.0)]
    assert of["forecasts"][1]["winner"] == "line_transformer"
    low, middle, high = (of["forecasts"][1]["scores"]["line_cnn"][key] for key in ("low", "middle", "high"))
    assert low < middle < high
    (one,) = of["overtakings"]
    assert (one["first"], one["second"]) == ("line_cnn", "line_transformer")
    assert 20 < one["low"] < one["middle"] < one["high"] < 200


def test_charts_go_on_dashed() -> None:
    page = answer_section(answer({"line_cnn": FAST, "line_transformer": SLOW}))
    assert page.count('class="line forecast cnn"') == 1
    assert page.count('class="band forecast transformer"') == 1
    assert ">200</text>" in page
    none = answer_section(answer({"line_cnn": {20.0: [0.8, 0.8], 10.0: [0.7, 0.7]}, "line_mlp": {}}))
    assert "forecast cnn" not in none
    assert ">20</text>" in none


def test_an_answer_without_growth_has_no_forecast() -> None:
    given = answer({})
    assert given.forecasts == []
    assert given.outlooks == ()
    assert "With more time" not in answer_section(given)
