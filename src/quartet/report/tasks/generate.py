"""Describe generation for the report."""

from math import inf

from quartet.report.tasks.facts import About, Metric

ABOUT = About(
    headline="fid",
    question="Could this be real?",
    does="Two {net}s play painter and critic",
    shows="New pictures in the manner of {data}.",
    metrics={
        # smallest: about as much as another seed changes.
        "fid": Metric(better="min", between=(0.0, inf), smallest=0.1),
        "fid_ratio": Metric(better="min"),
        "class_total_variation": Metric(better="min"),
        "discriminator_accuracy": Metric(guess=0.5, watched=True),
    },
    abbreviations={"fid": "FID"},
)
