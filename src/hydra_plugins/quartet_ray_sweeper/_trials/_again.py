"""Choose which trials run again: the best few with other seeds, then the winner on other terms."""

from __future__ import annotations

from hydra_plugins.quartet_ray_sweeper._journal import FINAL, FINISHED, REPEAT, SEARCH, Again, Record
from hydra_plugins.quartet_ray_sweeper._space import SweeperError
from hydra_plugins.quartet_ray_sweeper._state import Sweep


def base_seed(sweep: Sweep) -> int:
    """Return the seed of the search's trials. `SweeperError` where the configuration has no such number."""
    key = sweep.options["repeat_key"]
    found = sweep.space.constants.get(key, sweep.config.get(key))
    if not str(found).isdigit():
        raise SweeperError(f"hydra.sweeper.repeat_key: {key} is {found}, needs a key that holds a whole number")
    return int(str(found))


def next_repeat(sweep: Sweep) -> Again | None:
    """Return the next repeat that has not begun; None where all have. All chosen trials get a seed before the next.

    Call it once the search has ended: its order decides.
    """
    key, seeds = sweep.options["repeat_key"], sweep.options["repeats"] - 1
    for seed in range(1, seeds + 1):
        for trial in chosen(sweep):
            again = Again(REPEAT, trial.number, [f"{key}={base_seed(sweep) + seed}"])
            if not begun(sweep, again):
                return again
    return None


def chosen(sweep: Sweep) -> list[Record]:
    """Return the trials that are repeated: the best, and trial 0 where it has the defaults."""
    sign = -1.0 if sweep.modes[0] == "max" else 1.0
    ranked = [
        trial for trial, _ in sorted(sweep.scored(FINISHED), key=lambda pair: (sign * pair[1][0], pair[0].number))
    ]
    best = ranked[: sweep.options["repeated"]]
    default = [trial for trial in ranked if trial.number == 0 and sweep.options["defaults_first"]]
    return best + [trial for trial in default if trial not in best]


def next_final(sweep: Sweep) -> Again | None:
    """Return the winner's next final that has not begun; None where all have, or without a winner."""
    for trial in sweep.best:
        for final in sweep.options["finals"]:
            again = Again(FINAL, trial.number, list(final))
            if not begun(sweep, again):
                return again
    return None


def begun(sweep: Sweep, again: Again) -> bool:
    """Return whether this repeat or final has begun or ended."""
    return any((one.stage, one.of, one.more) == (again.stage, again.of, again.more) for one in sweep.trials)


def never_stopped(sweep: Sweep, number: int) -> bool:
    """Return whether no scheduler may stop this trial: the defaults, repeats and finals, which no searcher drew."""
    return not drawn(sweep, number)


def drawn(sweep: Sweep, number: int) -> bool:
    """Return whether the values of a trial were drawn by the searcher."""
    return sweep.journal.records[number].stage == SEARCH and not (number == 0 and sweep.options["defaults_first"])
