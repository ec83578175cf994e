"""Build the report from metrics and evidence: one page, tables and figures. Nothing is read or written.

`run` holds a run's results, `tasks` knows the tasks and their metrics, `comparing` compares, `drawing` draws. `page`,
`markdown`, `table` and `summary` build the output from `comparison_section`, `axis_section`, `curves`, `fronts`,
`evidence` and `sweep`; `figures` and `comparison_figures` go to the tracker.
"""

from quartet.report.comparing.analysis import analysis
from quartet.report.comparing.settings import split_by_config
from quartet.report.figures import figures
from quartet.report.markdown import markdown
from quartet.report.page import page
from quartet.report.run import Run
from quartet.report.summary import summary
from quartet.report.table import results

__all__ = ["Run", "analysis", "figures", "markdown", "page", "results", "split_by_config", "summary"]
