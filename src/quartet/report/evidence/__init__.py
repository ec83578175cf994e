"""What a run has to show beside its numbers: one file a task, each with `panels(run, family=…)`."""

from quartet.report.drawing.markup import Markup
from quartet.report.evidence import classify, generate, language, translate
from quartet.report.run import Run
from quartet.report.table import missing

PANELS = {
    "classify": classify.panels,
    "generate": generate.panels,
    "language": language.panels,
    "translate": translate.panels,
}


def evidence(run: Run, *, task: str, family: str) -> Markup:
    """Pictures and texts of a run; what is missing is said."""
    if not run.arrays and not run.texts:
        return missing("No pictures or texts: this run has not been evaluated yet.")
    if task not in PANELS:
        return missing(f"Nothing to show for the task {task} beside its numbers.")
    return PANELS[task](run, family=family)
