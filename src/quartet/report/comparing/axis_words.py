"""Put what a table's axes show into words: where nets cross, and a row of numbers for each net."""

from __future__ import annotations

from quartet.report.comparing.axes import Axis, net_names, settings_text
from quartet.report.comparing.comparison import Comparison, sentence
from quartet.report.comparing.crossings import crossing_text, crossings
from quartet.report.drawing.numerals import spread


def crossing_sentences(axis: Axis, comparison: Comparison) -> list[str]:
    """Return a sentence for each two nets: where they cross along the axis, or that they do not."""
    names = net_names(comparison.experiments)
    found = crossings(axis, f"test/{comparison.metric}")
    return [sentence(crossing_text(crossing, axis, names=names, better=comparison.better)) for crossing in found]


def axis_rows(axis: Axis, comparison: Comparison) -> list[list[str]]:
    """Return a row of text for each line of the axis: its name, and mean ± deviation at each value."""
    names = net_names(comparison.experiments)
    rows = []
    for line in axis.lines:
        others = settings_text(line.others)
        cells = [
            spread(list(line.points[value].values(f"test/{comparison.metric}").values()))
            if value in line.points
            else "–"
            for value in axis.values
        ]
        rows.append([names[line.experiment].removeprefix("the ") + (f", {others}" if others else ""), *cells])
    return rows
