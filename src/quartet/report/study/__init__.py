"""A study: the trials of one hyperparameter sweep as two figures and a table, from plain data.

Only finite scores count: a trial whose score is not a number is treated as one that failed. Colours are told apart by
the colour-blind too: viridis, and the vermilion of Okabe and Ito for the best.
"""

from quartet.report.study.coordinates import parallel_coordinates
from quartet.report.study.curves import learning_curves
from quartet.report.study.trials import Mode, Trial, best, table

__all__ = ["Mode", "Trial", "best", "learning_curves", "parallel_coordinates", "table"]
