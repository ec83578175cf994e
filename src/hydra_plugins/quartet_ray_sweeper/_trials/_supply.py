"""Supply Tune with trials, and tell its searcher what became of them.

First come those that an earlier attempt left unfinished, then new draws of the searcher, repeats and finals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.experiment.config_parser import _create_trial_from_spec, _make_parser
from ray.tune.search import Searcher
from ray.tune.search.search_algorithm import SearchAlgorithm

from hydra_plugins.quartet_ray_sweeper._actor import ERROR
from hydra_plugins.quartet_ray_sweeper._journal import REPEAT, SEARCH, Again
from hydra_plugins.quartet_ray_sweeper._schedule import replay
from hydra_plugins.quartet_ray_sweeper._search import Grid, to_point
from hydra_plugins.quartet_ray_sweeper._space import Point
from hydra_plugins.quartet_ray_sweeper._state import Sweep, replace_non_finite
from hydra_plugins.quartet_ray_sweeper._trials._again import drawn, next_final, next_repeat
from hydra_plugins.quartet_ray_sweeper._trials._composing import Composer, output_folder, pack_config
from hydra_plugins.quartet_ray_sweeper._trials._earlier import relearn, trial_id


class Trials(SearchAlgorithm):
    """Tune's search algorithm: it asks the searcher for values and counts the trials.

    Tune's own `SearchGenerator` would refuse PBT.

    Args:
        total: number of trials of the search, with those of earlier attempts.
        max_concurrent: returns how many trials may exist and not have ended.
        on_failure: called with number and error of a trial that does not compose.
        scheduler: gets the reports of earlier attempts, if given.
    """

    def __init__(
        self,
        searcher: Searcher,
        *,
        sweep: Sweep,
        composer: Composer,
        total: int,
        max_concurrent: Callable[[], int],
        on_failure: Callable[[int, str], None],
        scheduler: Any,
    ) -> None:
        self.searcher = searcher
        self.sweep, self.journal, self.metric_modes = sweep, sweep.journal, sweep.metric_modes
        self.composer, self.total, self.max_concurrent = composer, total, max_concurrent
        self.on_failure = on_failure
        self.interrupted, self.scheduler = list(self.journal.unfinished), scheduler
        self.live: dict[str, Trial] = {}
        self.unknown = relearn(searcher, sweep)
        if isinstance(searcher, Grid):
            tried = {tuple(record.values.items()) for record in sweep.searched}
            searcher.points = deque(point for point in composer.space.grid() if tuple(point.items()) not in tried)

    def add_configurations(self, experiments: Any) -> None:
        """Take the experiment from Tune."""
        (experiment,) = experiments
        self.spec = experiment.spec

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        """Accept Tune's call; metric and mode are set already."""
        return True  # the searcher got them in its constructor

    def is_finished(self) -> bool:
        """Return whether no trial is left to start."""
        if self.sweep.seconds_left() <= 0:
            return True
        return not self.interrupted and not self.searching and not self.live and self.next_again() is None

    @property
    def searching(self) -> bool:
        """Whether the search goes on: it has trials and time left."""
        more = not self._finished and len(self.sweep.searched) < self.total
        return more and self.sweep.seconds_left(search=True) > 0

    def next_trial(self) -> Trial | None:
        """Return the next trial for Tune; None while enough trials run or none is left."""
        if self.scheduler is not None:  # here at the earliest, since Tune sets its metric after the constructor
            replay(self.journal, self.scheduler, metric_modes=self.metric_modes)
            self.scheduler = None
        # A paused trial takes no resources.
        running = sum(trial.status in (Trial.PENDING, Trial.RUNNING) for trial in self.live.values())
        if self.is_finished() or running >= self.max_concurrent():
            return None
        if self.interrupted:
            record = self.interrupted.pop(0)
            return self.create(record.number, record.values, Again.of_record(record))
        if self.searching:
            return self.draw()
        again = self.next_again()
        if again is None:
            return None
        return self.create(len(self.journal.records), self.journal.records[again.of].values, again)

    def next_again(self) -> Again | None:
        """Return the next repeat or, once these have ended, final. None where the trials that decide it still run."""
        stages = {self.journal.records[int(name)].stage for name in self.live}
        if SEARCH in stages:
            return None
        repeat = next_repeat(self.sweep) if self.sweep.seconds_left(search=True) > 0 else None
        return repeat or (None if REPEAT in stages else next_final(self.sweep))

    def draw(self) -> Trial | None:
        """Ask the searcher for a new trial; None where it waits or has ended. Trial 0 may be that of the defaults."""
        number = len(self.journal.records)
        if number == 0 and self.sweep.options["defaults_first"]:
            return self.create(0, {})
        suggested = self.searcher.suggest(trial_id(number))
        if suggested is None:  # the searcher waits for results
            return None
        if suggested == Searcher.FINISHED:
            self._finished = True
            return None
        return self.create(number, to_point(self.composer.space, suggested))

    def create(self, number: int, values: Point, again: Again | None = None) -> Trial | None:
        """Compose a trial and record its start. Return None where it does not compose, after recording a failed
        trial."""
        error, folder, more = "", "", again.more if again is not None else []
        try:
            job = self.composer.compose(number, values, more)
            folder = output_folder(job)
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        if number not in self.journal.records:
            overrides = [*self.composer.space.overrides(values), *more]
            self.journal.start(number, values=values, overrides=overrides, folder=folder, again=again)
        if error:
            self.end_for_searcher(number, None)
            self.on_failure(number, error)
            return None
        spec = {**self.spec, "config": pack_config(job, values)}
        trial = _create_trial_from_spec(
            spec,
            _make_parser(),
            evaluated_params=dict(values),
            experiment_tag=trial_id(number),
            trial_id=trial_id(number),
        )
        self.live[trial.trial_id] = trial
        return trial

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass a report to the searcher."""
        if self.suggested(int(trial_id)):
            self.searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Pass a trial's end to the searcher."""
        self.live.pop(trial_id, None)
        record = self.journal.records[int(trial_id)]
        reported = record.reports[-1] if record.reports else {}
        known = {**replace_non_finite(reported, self.metric_modes), **(result or {})}
        self.end_for_searcher(record.number, None if error or ERROR in known else known)

    def suggested(self, number: int) -> bool:
        """Return whether the searcher suggested this trial, and knows so."""
        return number not in self.unknown and drawn(self.sweep, number)

    def end_for_searcher(self, number: int, result: dict[str, Any] | None) -> None:
        """Tell the searcher the `result` of a trial that it suggested; None for a failed one."""
        if self.suggested(number):
            self.searcher.on_trial_complete(trial_id(number), result=result, error=result is None)
