"""Show evidence of classification: confusion, calibration, the most confident mistakes, the first layer.

Shape suffixes: K classes, M mistakes, O kernels, L length, H height, W width, C channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quartet.report.drawing.chart import Line, line_chart
from quartet.report.drawing.diagram import heat_map, sequence
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.picture import image, signed, strip
from quartet.report.run import Run
from quartet.report.table import missing

if TYPE_CHECKING:
    import numpy as np

MAX_MISTAKES, MAX_CLASSES, MAX_KERNELS = 18, 30, 64


def panels(run: Run, *, family: str) -> Markup:
    """Return all evidence of a classification run."""
    return join(
        tag("div", _confusion(run, family), _calibration(run, family), class_="side"),
        _mistakes(run, family),
        _kernels(run),
        _maps(run),
    )


def _name(run: Run, k: int) -> str:
    """Return a class's name, or "class 3" without names."""
    names = run.texts.get("classes") or []
    return str(names[k]) if k < len(names) else f"class {k}"


def _confusion(run: Run, family: str) -> Markup:
    """Return the confusion matrix as shares of each true class."""
    counts_KK = run.arrays.get("confusion")
    if counts_KK is None:
        return missing("The confusion matrix is missing.")
    k = len(counts_KK)
    if k > MAX_CLASSES:
        return missing(f"{k} classes are too many for a picture of who is taken for whom.")
    shares = [[float(n) / (float(sum(row)) or 1.0) for n in row] for row in counts_KK]
    names = [_name(run, i) for i in range(k)]
    text = "A row is what an example is, a column what it was taken for; numbers are examples."
    chart = heat_map(
        shares, rows=names, columns=names, title="Confusion matrix", family=family, cell=33 if k <= 12 else 20,
        written=[[str(int(n)) if n else "" for n in row] for row in counts_KK] if k <= 12 else None,
    )  # fmt: skip
    body = tag("div", chart, class_="scroll", tabindex=0, role="region", aria_label="Confusion matrix")
    return tag("figure", tag("figcaption", tag("strong", "Who is taken for whom"), ". ", text), body)


def _calibration(run: Run, family: str) -> Markup | None:
    """Return the reliability diagram: accuracy against confidence, with the diagonal."""
    bins = run.arrays.get("calibration")
    if bins is None:
        return None
    points = [(float(confidence), float(accuracy)) for examples, confidence, accuracy in bins if examples > 0]
    ideal = Line([(0.0, 0.0), (1.0, 1.0)], "other", "training", "confidence equals accuracy")
    measured = Line(points, family, "validation", "measured")
    chart = line_chart([ideal, measured], title="Accuracy against confidence", unit="confidence")
    text = "Accuracy of answers by how sure the net was; on the faint line it is as right as it is sure."
    return tag("figure", tag("figcaption", tag("strong", "Does it know when it knows?"), " ", text), chart)


def _mistakes(run: Run, family: str) -> Markup:
    """Return the most confident mistakes: a gallery, of texts a list."""
    arrays, words = run.arrays, run.texts.get("mistakes")
    shown = arrays.get("mistakes_x") if words is None else words
    if shown is None or not {"mistakes_true", "mistakes_predicted"} <= set(arrays):
        return missing("The mistakes are missing.")
    if not len(shown):
        return tag("p", "It made no mistakes.")
    drawn = [_drawn(run, i, family) if words is None else tag("q", words[i]) for i in range(len(shown))[:MAX_MISTAKES]]
    items = [tag("li", picture, *_told(run, i)) for i, picture in enumerate(drawn)]
    text = tag("p", "The answers that were wrong and most sure, the surest first.", class_="note")
    return join(tag("h4", "Mistakes"), text, tag("ul", items, class_="gallery" if words is None else "gallery texts"))


def _drawn(run: Run, i: int, family: str) -> Markup:
    """Return the picture of a mistaken image or series."""
    x = run.arrays["mistakes_x"][i]
    true, taken = _true_and_taken(run, i)
    alt = f"{true}, taken for {taken}"
    return image(x, alt=alt) if x.ndim == 3 else sequence(x.T.tolist(), title=alt, family=family)


def _told(run: Run, i: int) -> tuple[Markup | str, ...]:
    """Return what a mistake was taken for, how sure the net was, and what it is."""
    true, taken = _true_and_taken(run, i)
    confidences: Any = run.arrays.get("mistakes_confidence", ())
    sure = f"{float(confidences[i]):.0%} sure, " if i < len(confidences) else ""
    return tag("b", taken), sure, "is ", tag("i", true)


def _true_and_taken(run: Run, i: int) -> tuple[str, str]:
    """Return the names of a mistake's true class and of the predicted one."""
    true, taken = (_name(run, int(run.arrays[f"mistakes_{which}"][i])) for which in ("true", "predicted"))
    return true, taken


def _kernels(run: Run) -> Markup | None:
    """Return the first layer's kernels as pictures."""
    kernels = run.arrays.get("kernels")
    if kernels is None:
        return None
    shown = kernels[:MAX_KERNELS]
    o = len(shown)
    caption = "What the first layer looks for. Blue is below zero, red above." + _first(len(kernels), o)
    picture = strip(_kernel_pictures(shown), columns=16, alt=f"{o} kernels of the first layer",
                    width=44 * min(o, 16))  # fmt: skip
    return join(tag("h4", "First-layer kernels"), tag("figure", tag("figcaption", caption), picture))


def _kernel_pictures(kernels: np.ndarray) -> list[np.ndarray]:
    """Map kernels `(O, C, kh, kw)` or `(O, C, k)` to O colour pictures, each on its own scale, channels stacked."""
    return [signed(kernel if kernel.ndim == 2 else kernel.reshape(-1, kernel.shape[-1])) for kernel in kernels]


def _maps(run: Run) -> Markup | None:
    """Return images with the first layer's feature maps."""
    maps, x = run.arrays.get("maps"), run.arrays.get("maps_x")
    if maps is None or x is None:
        return None
    figures = []
    for picture, answers_OHW in zip(x, maps, strict=False):
        shown = answers_OHW[:MAX_KERNELS]
        alt = f"{len(shown)} feature maps of one image"
        answers = strip([signed(answer) for answer in shown], columns=8, alt=alt, width=480)
        figures.append(tag("figure", image(picture, alt="The image", width=84), answers, class_="maps"))
    text = tag("p", "An image, and the first layer's answer to it, a square a kernel in the same order.", class_="note")
    return join(tag("h4", "Feature maps"), text, tag("div", figures, class_="side"))


def _first(all_of_them: int, shown: int) -> str:
    """Return a sentence on how many of all are shown, "" for all."""
    return "" if shown == all_of_them else f" The first {shown} of {all_of_them}."
