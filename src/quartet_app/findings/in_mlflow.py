"""Track findings in MLflow: a run each, with its verdict as a tag, its numbers as metrics, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quartet.report.findings import Concluded
from quartet.report.findings.concluded import NOT_MEASURED
from quartet.tracking import Tracker
from quartet.tracking.labels import allowed_name
from quartet.tracking.tracker import Status
from quartet.types import QuartetError
from quartet_app.config.composing import compose_group


def track(findings: Sequence[Concluded], measured: Path) -> list[str]:
    """Create or update a run for each finding that was measured, whose files lie in `measured`; returns a line.

    The reports are complete without it: an error of the store becomes the line.
    """
    from hydra.utils import instantiate

    tracker = instantiate(compose_group("tracking", "mlflow"))
    told = [finding for finding in findings if finding.verdict != NOT_MEASURED]
    try:
        for finding in told:
            track_one(tracker, finding, measured / finding.id)
    except QuartetError as error:
        return [f"MLflow: {error}"]
    return [f"MLflow: {tracker.uri}, {len(told)} runs named finding …"] if told else []


def track_one(tracker: Tracker, finding: Concluded, folder: Path) -> None:
    """Write one finding to the run that has its id, or to a new one."""
    tags = {"kind": "finding", "finding": finding.id}
    earlier = tracker.find(tags)
    run = tracker.start(name=f"finding {finding.id}", params={}, tags=tags, resume=earlier[0] if earlier else None)
    status: Status = "FAILED"
    try:
        commits = {"rule_commit": finding.rule_commit, "git_commit": finding.commit}
        tracker.tags(run, {"verdict": finding.verdict, "statement": finding.statement, **commits})
        numbers = {name: number.mean for name, number in finding.numbers.items()}
        tracker.metrics(run, {allowed_name(name): mean for name, mean in numbers.items()}, step=0)
        for path in sorted(folder.iterdir()):
            tracker.artifact(run, path)
        status = "FINISHED"
    finally:
        tracker.finish(run, status)
