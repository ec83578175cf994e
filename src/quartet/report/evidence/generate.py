"""Show evidence of generation: samples and real pictures, and the distance between them.

Shape suffixes: N pictures, H height, W width, C channels, K classes.
"""

from __future__ import annotations

from typing import Any

from quartet.report.drawing.diagram import bars, log_scale
from quartet.report.drawing.markup import Markup, join, tag
from quartet.report.drawing.picture import strip
from quartet.report.run import Run
from quartet.report.table import missing


def panels(run: Run, *, family: str) -> Markup:
    """Return all evidence of a generation run."""
    return join(
        _samples_and_reals(run),
        tag(
            "div",
            tag("div", _distance(run, family), _interpolation(run), class_="stack"),
            tag("div", _classes(run, family), _neighbours(run), class_="stack"),
            class_="side",
        ),
    )


def _samples_and_reals(run: Run) -> Markup:
    """Return samples and real pictures side by side."""
    pictures = [
        _sheet(run, "samples", "Painted", "the first samples, not chosen", columns=8),
        _sheet(run, "reals", "Real", "the first of the test data", columns=8),
    ]
    return tag("div", pictures, class_="side")


def _sheet(run: Run, key: str, title: str, text: str, *, columns: int) -> Markup:
    """Return the pictures under `key` with title and caption."""
    x = run.arrays.get(key)
    if x is None or not len(x):
        return missing(f"{title}: the pictures are missing.")
    caption = tag("figcaption", tag("strong", title), f": {text}")
    picture = strip(list(x), columns=columns, alt=f"{len(x)} pictures, {title.lower()}: {text}", width=480)
    return tag("figure", caption, picture)


def _distance(run: Run, family: str) -> Markup | None:
    """Return the Fréchet distances of this run, of real to real, and of the untrained net, on a logarithmic line."""
    named = {"fid_floor": "real to real", "fid": "this run", "fid_untrained": "untrained"}
    found = {key: value for key in named if (value := run.metric(key))}
    marks = [(named[key], value, family if key == "fid" else "other") for key, value in found.items()]
    if not marks:
        return missing("The Fréchet distance is missing.")
    caption = [tag("strong", "How far from real"), ": the Fréchet distance between features, on a logarithmic scale"]
    return tag("figure", tag("figcaption", caption, _feature_note(run)), log_scale(marks, title="Fréchet distances"))


def _feature_note(run: Run) -> Markup:
    """Return a sentence on the classifier whose features measure the distance."""
    digest = (run.texts.get("judge") or {}).get("digest")
    accuracy = run.metric("judge_accuracy")
    right = "" if accuracy is None else f" of {accuracy:.3f} accuracy"
    name = [", ", tag("code", str(digest)[:10], title=digest)] if digest else None
    sizes: Any = run.texts.get("fid") or {}
    known = {"samples", "reals"} <= set(sizes)
    counts = f" {sizes['samples']} samples against real images, {sizes['reals']}." if known else ""
    return join(f". The features are those of a classifier of ours{right}", name, ".", counts)


def _classes(run: Run, family: str) -> Markup | None:
    """Return bars with the number of samples in each class, and a dashed line at an equal share."""
    counts_K = run.arrays.get("class_counts")
    if counts_K is None:
        return None
    names = [str(name) for name in run.texts.get("classes") or range(len(counts_K))]
    values = [float(n) for n in counts_K]
    chart = bars(values, names=names, title="Samples by class", family=family, reference=sum(values) / len(values))
    text = ": how many samples the classifier takes for each class; dashed, an equal share"
    return tag("figure", tag("figcaption", tag("strong", "Does it paint everything?"), text), chart)


def _interpolation(run: Run) -> Markup | None:
    """Return rows of pictures between two latent vectors."""
    x_RNHWC = run.arrays.get("interpolation")
    if x_RNHWC is None:
        return None
    flat = x_RNHWC.reshape(-1, *x_RNHWC.shape[2:])
    caption = tag("figcaption", tag("strong", "In between"), ": each row goes from one noise to another in equal steps")
    picture = strip(list(flat), columns=x_RNHWC.shape[1], alt="Rows of pictures that change gradually", width=480)
    return tag("figure", caption, picture)


def _neighbours(run: Run) -> Markup | None:
    """Return samples with the training image nearest to each."""
    x, nearest = run.arrays.get("neighbours_x"), run.arrays.get("neighbours")
    if x is None or nearest is None:
        return None
    ratio = run.metric("neighbour_distance_ratio")
    text = ": above, samples; below each, the training image nearest to it in pixels"
    if ratio is not None:
        text += f". Samples lie {ratio:.2f} times as far from training images as test images do; copies would be near 0"
    caption = tag("figcaption", tag("strong", "Is it copying?"), text)
    return tag("figure", caption, strip([*x, *nearest], columns=len(x), alt="Samples and their neighbours", width=480))
