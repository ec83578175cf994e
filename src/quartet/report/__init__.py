"""The report, pure: metrics and evidence in, one page, tables and figures out.

`run` is a run as the report sees it, `comparing` compares and `drawing` draws. `page`, `markdown` and `table` come out,
of `beside`, `curves`, `fronts`, `evidence` and `study`; `figures` and `comparison_figures` go to the tracker.
"""

from quartet.report.comparing.comparison import analysis
from quartet.report.comparing.settings import split_by_config
from quartet.report.figures import figures
from quartet.report.markdown import markdown
from quartet.report.page import page
from quartet.report.run import Run
from quartet.report.table import results, summary

__all__ = ["Run", "analysis", "figures", "markdown", "page", "results", "split_by_config", "summary"]
