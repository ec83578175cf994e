"""Describe translation for the report."""

from quartet.report.tasks.facts import About, Metric

ABOUT = About(
    headline="bleu",
    question="How is it said elsewhere?",
    does="The {net} translates",
    shows="Unseen sentences of {data}, by beam search.",
    metrics={
        # smallest: papers seldom report less as progress, and readers do not notice it.
        "bleu": Metric(better="max", between=(0.0, 100.0), smallest=0.5),
        "chrf": Metric(better="max", between=(0.0, 100.0)),
        "bleu_greedy": Metric(better="max", between=(0.0, 100.0)),
        "chrf_greedy": Metric(better="max", between=(0.0, 100.0)),
        "token_accuracy": Metric(better="max", between=(0.0, 1.0)),
        "loss": Metric(better="min"),
    },
    abbreviations={"bleu": "BLEU", "chrf": "chrF"},
)
