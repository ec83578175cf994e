"""Statements about attention: where word order comes from, what it weighs, how much data it needs, and who writes.

Each measurement is a file. `sentences` takes sentence pairs and judges translators on them, `heads` and `influence`
look into self-attention, `figures` and `maps` draw.
"""

from quartet.findings.attention.data_hunger import data_hunger
from quartet.findings.attention.reading_and_writing import reading_and_writing
from quartet.findings.attention.word_order import word_order
from quartet.findings.attention.words_that_matter import words_that_matter

__all__ = ["data_hunger", "reading_and_writing", "word_order", "words_that_matter"]
