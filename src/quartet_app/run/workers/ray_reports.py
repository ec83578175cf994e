"""Carry the reports of Ray Train's workers to the driver, and its answers back."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra_plugins.quartet_ray_sweeper import TrialStopped

OnReport = Callable[[Mapping[str, float], Path | None], bool]  # gets metrics and a checkpoint; True stops the training


class ReportClient:
    """Send reports from a worker to the driver, through the actor."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> bool:
        """Send a validation's metrics and wait for the answer; True stops the training."""
        import ray

        return ray.get(self.actor.report.remote(dict(metrics), checkpoint))  # type: ignore[no-any-return]


class ReportActor:
    """Carry reports from the first worker, which waits for an answer, to the driver, which gives it."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[Any] = asyncio.Queue()
        self.answers: asyncio.Queue[bool] = asyncio.Queue()

    async def report(self, metrics: dict[str, float], checkpoint: Path | None) -> bool:
        """Queue a worker's report and return the driver's answer."""
        await self.reports.put((metrics, checkpoint))
        return await self.answers.get()

    async def next_report(self) -> Any:
        """Return the next report, as (metrics, checkpoint)."""
        return await self.reports.get()

    async def answer(self, stop: bool) -> None:
        """Answer the last report; True stops the training."""
        await self.answers.put(stop)


@contextlib.contextmanager
def report_actor(on_report: OnReport) -> Iterator[Any]:
    """Start an actor, and answer its reports by `on_report` in a thread until the block ends."""
    import ray
    from ray.exceptions import RayError

    actor: Any = ray.remote(num_cpus=0)(ReportActor).remote()

    def answer_reports() -> None:
        with contextlib.suppress(RayError):  # the actor is gone: the block has ended
            while True:
                metrics, checkpoint = ray.get(actor.next_report.remote())
                try:
                    stop = on_report(metrics, checkpoint)
                except TrialStopped:  # the sweep had stopped the trial before its worker was lost and started again
                    stop = True
                ray.get(actor.answer.remote(stop))

    thread = threading.Thread(target=answer_reports, name="reports", daemon=True)
    thread.start()
    try:
        yield actor
    finally:
        ray.kill(actor)
        thread.join(10.0)
