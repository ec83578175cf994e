"""The report, pure: metrics and evidence in, one page, tables and figures out."""

from quartet.report.figures import figures
from quartet.report.page import page
from quartet.report.run import Run
from quartet.report.table import results, summary

__all__ = ["Run", "figures", "page", "results", "summary"]
