"""Describe classification for the report."""

from quartet.report.tasks.facts import About, Metric

ABOUT = About(
    headline="accuracy",
    question="What is this?",
    does="The {net} names what it is shown",
    shows="Labels for unseen examples of {data}.",
    metrics={
        # smallest: fifty of ten thousand examples; such a test set has a standard error of half as much.
        "accuracy": Metric(better="max", between=(0.0, 1.0), smallest=0.005, unit=(100.0, "points")),
        "balanced_accuracy": Metric(better="max", between=(0.0, 1.0), unit=(100.0, "points")),
        "macro_f1": Metric(better="max", between=(0.0, 1.0), unit=(100.0, "points")),
        "calibration_error": Metric(better="min"),
        "loss": Metric(better="min"),
    },
    abbreviations={"f1": "F1"},
)
