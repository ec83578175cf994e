"""Describe language modelling for the report."""

from math import inf

from quartet.report.tasks.facts import About, Metric

ABOUT = About(
    headline="bits_per_character",
    question="What comes next?",
    does="The {net} reads, then writes on",
    shows="Every next token of {data}, and its own texts.",
    metrics={
        # smallest: about one per cent of the two bits that nets of this size reach.
        "bits_per_character": Metric(better="min", between=(0.0, inf), smallest=0.02),
        "perplexity": Metric(better="min"),
        "loss": Metric(better="min"),
    },
)
