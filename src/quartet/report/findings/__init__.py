"""Draw the page of findings: what statements say, what was measured, and the verdicts of rules written before."""

from quartet.report.findings.concluded import Bound, Concluded, Found
from quartet.report.findings.page import page
from quartet.report.findings.table import markdown, section

__all__ = ["Bound", "Concluded", "Found", "markdown", "page", "section"]
