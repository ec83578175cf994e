"""Show what a run made: one file for each task, found by its name, each with `panels(run, family=…)`."""

from importlib import import_module
from pkgutil import iter_modules

from quartet.report.drawing.markup import Markup
from quartet.report.run import Run
from quartet.report.table import missing


def evidence(run: Run, *, task: str, family: str) -> Markup:
    """Return the pictures and texts of a run; a note where there are none."""
    if not run.arrays and not run.texts:
        return missing("No pictures or texts: this run has not been evaluated yet.")
    if task not in {file.name for file in iter_modules(__path__)}:
        return missing(f"Nothing to show for the task {task} beside its numbers.")
    drawn: Markup = import_module(f"{__name__}.{task}").panels(run, family=family)
    return drawn
