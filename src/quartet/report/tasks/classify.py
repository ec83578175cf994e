"""Classification."""

from quartet.report.tasks.facts import About, Metric

ABOUT = About(
    headline="accuracy",
    question="What is this?",
    does="The {net} names what it is shown",
    shows="Labels for unseen examples of {data}.",
    metrics={
        # The smallest: fifty of ten thousand examples; a test set of that size itself wavers by half as much.
        "accuracy": Metric(better="max", between=(0.0, 1.0), smallest=0.005, unit=(100.0, "points")),
        "balanced_accuracy": Metric(better="max", between=(0.0, 1.0), unit=(100.0, "points")),
        "calibration_error": Metric(better="min"),
        "loss": Metric(better="min"),
    },
)
