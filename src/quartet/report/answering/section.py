"""Draw an answer as the opening of the page: the sentence, how sure it is, what tuning found, and how nets grow."""

from __future__ import annotations

import math
from statistics import fmean

from quartet.report.answering.answer import Answer, Growth, Tuning, tuning_sentence
from quartet.report.drawing import chart
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.numerals import compact, plain, spread
from quartet.report.extrapolating.curve import Curve
from quartet.report.extrapolating.forecast import FACTORS, Outlook
from quartet.report.run import FAMILY_NAMES, metric_name
from quartet.report.table import table

EQUAL = "Each net had the same number of trials, each with the same seconds of training."
UNEQUAL = "Each trial had the same seconds of training, but the time was over before each net had as many trials."
FOUND = (
    " The first trial of each has the settings as they were, so that tuning never makes worse; the best ran with "
    "several seeds before one was chosen, as far as the time went."
)
GROWN = (
    "Validation scores of the tuned nets; the mean over seeds, with the range of the seeds as a band. Dashed: the "
    "forecast, with its interval as a fainter band."
)
STEPS = 12  # of a forecast that is drawn


def answer_section(answer: Answer) -> Markup:
    """Return the opening of the page."""
    equal = len({tuning.trials for tuning in answer.tunings}) == 1
    grown = [growth for growth in answer.growths if growth.lines]
    charts = [_figure(answer, growth, of) for growth, of in zip(grown, answer.outlooks, strict=True)]
    return tag(
        "section",
        tag("p", "The answer", class_="kicker"),
        tag("h2", answer.opening),
        tag("ul", [tag("li", text) for text in answer.certainty], class_="verdicts"),
        [tag("p", note, class_="note") for note in answer.notes],
        tag("h3", "With more time, with more data") if charts else None,
        tag("ul", [tag("li", text) for text in answer.forecasts]) if charts else None,
        tag("p", GROWN, class_="note") if charts else None,
        tag("div", charts, class_="curves") if charts else None,
        tag("h3", "What tuning found"),
        tag("p", (EQUAL if equal else UNEQUAL) + FOUND, class_="note"),
        _tunings(answer),
    )


def _tunings(answer: Answer) -> Markup:
    """Return the table of searches."""
    metric = metric_name(answer.monitor)
    head = ("net", "trials", f"{metric} as it was", f"{metric} tuned", "quartiles apart", "settings")
    return table([_tuning(answer, tuning) for tuning in answer.tunings], head=head, caption=f"Of {answer.monitor}.")


def _tuning(answer: Answer, tuning: Tuning) -> list[Markup]:
    """Return the row of a net's search; its title is the same as a sentence."""
    name = answer.names.get(tuning.experiment, tuning.experiment).removeprefix("the ")
    return [
        tag("th", name, scope="row", title=tuning_sentence(tuning, name, answer.monitor)),
        tag("td", str(tuning.trials), class_="number"),
        tag("td", spread(tuning.default), class_="number"),
        tag("td", spread(tuning.tuned), class_="number"),
        tag("td", plain(tuning.spread), class_="number"),
        tag("td", " ".join(tuning.settings) or "as they were"),
    ]


def _figure(answer: Answer, growth: Growth, of: Outlook) -> Markup:
    """Return a chart of the scores along one cost, on a logarithmic axis, with their forecast."""
    title = f"{metric_name(answer.monitor)} against {growth.title}"
    strokes, bands, ahead = [], [], []
    for experiment, line in growth.lines.items():
        name = answer.names.get(experiment, experiment).removeprefix("the ")
        family = next((key for key, word in FAMILY_NAMES.items() if word == name), "other")
        points = [(math.log10(at), list(scores)) for at, scores in sorted(line.items()) if scores]
        strokes.append(chart.Line([(at, fmean(scores)) for at, scores in points], family, "validation", name))
        bands.append(chart.Band([(at, min(scores), max(scores)) for at, scores in points], family, f"{name}, seeds"))
        if curve := of.curves.get(experiment):
            dashed, band = _continued(curve, of, name, family)
            ahead.append(dashed)
            bands.append(band)
    costs = {at for line in growth.lines.values() for at in line}
    further = {factor * of.largest for factor in FACTORS} if ahead else set()
    keys = [tag("span", tag("span", class_=f"dot {stroke.family}"), stroke.label) for stroke in strokes]
    caption = tag("figcaption", tag("strong", title), tag("span", keys, class_="legend"))
    picture = chart.line_chart(
        [*strokes, *ahead],
        title=title,
        unit=f"{growth.unit}, logarithmic",
        bands=bands,
        labels=[(math.log10(at), compact(at)) for at in sorted(costs | further)],
    )
    return tag("figure", join(caption, picture), class_="curve")


def _continued(curve: Curve, of: Outlook, name: str, family: str) -> tuple[chart.Line, chart.Band]:
    """Return the forecast of a net beyond the largest cost that was measured, as a line and a band."""
    places = [math.log10(of.largest) + math.log10(FACTORS[-1]) * step / STEPS for step in range(STEPS + 1)]
    forecast = [(at, *curve.predict(10**at)) for at in places]
    return (
        chart.Line([(at, middle) for at, _, middle, _ in forecast], family, "forecast", f"{name}, forecast"),
        chart.Band([(at, low, high) for at, low, _, high in forecast], family, f"{name}, 90 % interval", "forecast"),
    )
