"""Take up what earlier attempts at a sweep left: its journal, which may come from somebody else.

Nothing is unpickled, and no override is composed that the sweep itself would not give: either could run any code.
"""

from __future__ import annotations

from math import nan
from typing import Any

from ray.tune.search import Searcher

from hydra_plugins.quartet_ray_sweeper._journal import FAILED, FINAL, JOURNAL_FILE, REPEAT, RUNNING, Record
from hydra_plugins.quartet_ray_sweeper._search import Grid, to_point
from hydra_plugins.quartet_ray_sweeper._space import SweeperError
from hydra_plugins.quartet_ray_sweeper._state import Sweep, replace_non_finite, return_is_metric
from hydra_plugins.quartet_ray_sweeper._trials._again import base_seed, drawn


def trial_id(number: int) -> str:
    """Return Tune's id of a trial, padded so that ids sort as numbers do."""
    return f"{number:05d}"


def refuse_foreign(sweep: Sweep) -> None:
    """Raise `SweeperError` for a trial in the journal with values outside the space, or with overrides of its own."""
    for record in sweep.trials:
        default = record.number == 0 and sweep.options["defaults_first"] and not record.values
        fits = default or record.of is not None or sweep.space.holds(record.values)
        if record.of is not None:
            again = sweep.journal.records.get(record.of)
            fits = again is not None and again.values == record.values and _may_add(sweep, record)
        if not fits:
            raise SweeperError(
                f"{sweep.folder / JOURNAL_FILE}: trial {record.number}: this sweep would not give it "
                f"{record.values} {' '.join(map(str, record.more))}\n"
                "give repeats and finals as they were, or for a new sweep another hydra.sweep.dir"
            )


def _may_add(sweep: Sweep, record: Record) -> bool:
    """Return whether a repeat or final may add its overrides. Those of ended trials are not composed."""
    if record.status != RUNNING:
        return True
    if record.stage == REPEAT:
        key, seed = sweep.options["repeat_key"], base_seed(sweep)
        return record.more in [[f"{key}={seed + i}"] for i in range(1, sweep.options["repeats"])]
    return record.stage == FINAL and record.more in map(list, sweep.options["finals"])


def relearn(searcher: Searcher, sweep: Sweep) -> set[int]:
    """Let a new searcher draw and learn, in order, all that it did in earlier attempts, so that it goes on from there.

    Returns the numbers of trials that it does not know: a searcher of another version may draw other values. A grid
    learns nothing.
    """
    unknown: set[int] = set()
    reports: dict[int, list[dict[str, float]]] = {}
    for event in sweep.journal.earlier if not isinstance(searcher, Grid) else ():
        number, kind = event["trial"], event["event"]
        if not drawn(sweep, number) or number in unknown:
            continue
        if kind == "start":
            if not _draws(searcher, sweep, number, event["values"]):
                unknown.add(number)
        elif kind == "report":
            seen = reports.setdefault(number, [])
            seen.append(replace_non_finite(event["metrics"], sweep.metric_modes))
            if seen[-1].keys() >= sweep.metric_modes.keys():
                searcher.on_trial_result(trial_id(number), {**seen[-1], "training_iteration": len(seen)})
        elif kind == "end":
            failed = event["status"] == FAILED
            result = None if failed else _last(sweep, reports.get(number, [{}])[-1], event["result"])
            searcher.on_trial_complete(trial_id(number), result=result, error=failed)
    if unknown:
        print(f"the searcher does not know {len(unknown)} earlier trials: it would draw others now", flush=True)
    return unknown


def _draws(searcher: Searcher, sweep: Sweep, number: int, values: dict[str, Any]) -> bool:
    """Let the searcher draw a trial; return whether it drew these values. It forgets others."""
    suggested = searcher.suggest(trial_id(number))
    if not isinstance(suggested, dict):
        return False
    if to_point(sweep.space, suggested) == values:
        return True
    searcher.on_trial_complete(trial_id(number), error=True)
    return False


def _last(sweep: Sweep, report: dict[str, float], result: float | None) -> dict[str, float]:
    """Return what the searcher learns of a trial's end: its last report, and its return value where that counts."""
    counts = result is not None and return_is_metric(sweep.metrics, report)
    own = {sweep.metrics[0]: result} if counts else {}
    return {**dict.fromkeys(sweep.metrics, nan), **report, **own}  # type: ignore[dict-item]
