"""Draw the trials of a hyperparameter sweep, from plain data: two figures and a table.

Only finite scores count: a trial with a score of nan is treated as failed. The colours serve colour-blind readers too:
viridis, and the vermilion of Okabe and Ito for the best trial.
"""

from quartet.report.sweep.coordinates import parallel_coordinates
from quartet.report.sweep.curves import learning_curves
from quartet.report.sweep.trials import Mode, Trial, best, table

__all__ = ["Mode", "Trial", "best", "learning_curves", "parallel_coordinates", "table"]
