"""Run a task as a Hydra application, with `--multirun`, sweeps on Ray and all of Hydra's flags."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from quartet.types import QuartetError
from quartet_app.run.crash import Crash, run_task

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from quartet_app.config.resolved import Config

Task = Callable[["Config"], Any]

FULL_ERROR = "HYDRA_FULL_ERROR"


def run_hydra(task: Task, arguments: Sequence[str]) -> None:
    """Run `task` as Hydra's `main` does, on the command line `arguments`. Raises as `run_task`."""
    import hydra

    from quartet_app.config.composing import HYDRA_VERSION, set_search_path
    from quartet_app.config.errors import explain
    from quartet_app.config.project import CONF

    set_search_path()
    requested = os.environ.get(FULL_ERROR)
    job = _job(task, full_error=requested)
    program = hydra.main(config_path=str(CONF), config_name="config", version_base=HYDRA_VERSION)(job)
    try:
        with _full_error("1"):  # so that Hydra raises its errors, to be explained here, and does not print them
            options = _parse(arguments)
            overrides = check_sweep(options.overrides) if options.multirun else options.overrides
            sys.argv[1:] = [*_flags(arguments, options.overrides), *overrides]
            program()
    except (QuartetError, Crash):
        raise
    except Exception as error:
        if requested == "1":
            raise
        raise QuartetError(explain(error)) from error


def _job(task: Task, *, full_error: str | None) -> Callable[[Any], Any]:
    """Return the function that Hydra calls for each job. It checks the composed configuration and runs the task."""

    def job(config: Any) -> Any:
        from hydra_plugins.quartet_ray_sweeper import trial
        from quartet_app.config.check import check
        from quartet_app.config.errors import explain
        from quartet_app.config.resolved import resolve

        try:
            resolved = resolve(config)
            check(resolved)
        except Exception as error:
            raise QuartetError(explain(error)) from error
        with _full_error(full_error):
            return run_task(task, resolved) if trial() is None else task(resolved)  # the sweep reports a trial's crash

    return job


def check_sweep(overrides: Sequence[str]) -> list[str]:
    """Check a multirun before its first job starts; returns the overrides in a form that Hydra can sweep.

    Checks every job of a plain multirun. A sweep on Ray gets further overrides (`derived_overrides`) and checks each
    trial before it starts. Other sweepers must check their jobs themselves.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from quartet_app.config.check import check
    from quartet_app.config.composing import compose, hydra_ready
    from quartet_app.sweep import derived

    with hydra_ready():
        loader = GlobalHydra.instance().config_loader()
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
    more: list[str] = []
    if derived.on_ray(parsed):
        more = derived.derived_overrides(parsed, loader)
    elif not any(override.key_or_group == derived.SWEEPER for override in parsed):
        for job in BasicSweeper.split_arguments(parsed, None)[0]:
            config = compose([word for word in job if not word.startswith("hydra")])
            check(config)
            derived.refuse_solved(parsed, config)
    return more + [defer_override(override, parsed) for override in parsed]


def defer_override(override: Override, overrides: Sequence[Override]) -> str:
    """Return an override in a form that Hydra accepts where a group is swept.

    Hydra first composes without the swept groups. A key of a swept option does not exist then, so `key=value` becomes
    `++key=value`, and `group=option` becomes a sweep over this one option.
    """
    from hydra.core.override_parser.types import OverrideType

    from quartet_app.config.options import groups

    line = str(override.input_line)
    swept = any(other.is_sweep_override() and other.key_or_group in groups() for other in overrides)
    plain = (
        override.type is OverrideType.CHANGE and not override.is_sweep_override() and not override.is_hydra_override()
    )
    key, _, value = line.partition("=")
    always = key.split(".")[0] in ("tracking", "launcher", "seed", "budget", "validate_every", "out")
    if not swept or not plain or always:  # keys in `always` exist whatever is chosen
        return line
    return f"{key}=choice({value})" if override.key_or_group in groups() else f"++{line}"


@contextmanager
def _full_error(value: str | None) -> Iterator[None]:
    """Set HYDRA_FULL_ERROR in the block; None removes it."""
    before = os.environ.get(FULL_ERROR)
    _set_or_remove(FULL_ERROR, value)
    try:
        yield
    finally:
        _set_or_remove(FULL_ERROR, before)


def _set_or_remove(name: str, value: str | None) -> None:
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


def _parse(arguments: Sequence[str]) -> Any:
    """Parse `arguments` as Hydra does; QuartetError of one line for flags that it does not know."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise QuartetError(f"{message}; --help shows what there is")

    parser.error = refuse  # type: ignore[method-assign]
    return parser.parse_intermixed_args(list(arguments))


def _flags(arguments: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return the arguments that are no overrides. Hydra needs them first, but a person may write them anywhere."""
    flags = list(arguments)
    for override in overrides:
        flags.remove(override)
    return flags
