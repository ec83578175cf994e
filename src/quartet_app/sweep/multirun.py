"""Run a task as a Hydra application: `--multirun`, sweeps on Ray, and all of Hydra's flags."""

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
    """Run `task` as Hydra's `main` does on the command line `arguments`; refusals and crashes as `run_task` tells."""
    import hydra

    from quartet_app.config.composing import HYDRA_VERSION, set_search_path
    from quartet_app.config.errors import explain
    from quartet_app.config.project import CONF

    set_search_path()
    asked = os.environ.get(FULL_ERROR)
    job = _job(task, full_error=asked)
    program = hydra.main(config_path=str(CONF), config_name="config", version_base=HYDRA_VERSION)(job)
    try:
        with _full_error("1"):  # Hydra hands errors on, for us to explain
            options = _parse(arguments)
            overrides = check_sweep(options.overrides) if options.multirun else options.overrides
            sys.argv[1:] = [*_flags(arguments, options.overrides), *overrides]
            program()
    except (QuartetError, Crash):
        raise
    except Exception as error:
        if asked == "1":
            raise
        raise QuartetError(explain(error)) from error


def _job(task: Task, *, full_error: str | None) -> Callable[[Any], Any]:
    """Return what Hydra runs: the task, on the checked configuration that Hydra composed."""

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
            return run_task(task, resolved) if trial() is None else task(resolved)  # the sweep tells a trial's crash

    return job


def check_sweep(overrides: Sequence[str]) -> list[str]:
    """Check every job of a plain sweep before the first one starts, and give the overrides as Hydra can sweep them.

    A sweep on Ray is told what it must know of the runs, and checks each as it comes; so must another sweeper.
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
    elif not any(one.key_or_group == derived.SWEEPER for one in parsed):
        for job in BasicSweeper.split_arguments(parsed, None)[0]:
            config = compose([one for one in job if not one.startswith("hydra")])
            check(config)
            derived.refuse_solved(parsed, config)
    return more + [defer_override(one, parsed) for one in parsed]


def defer_override(one: Override, overrides: Sequence[Override]) -> str:
    """`key=value` as Hydra takes it where a group is swept. Hydra composes once without what is swept, and would look
    for the key before the option that has it is chosen: it may add the key, and a group is swept over one option."""
    from hydra.core.override_parser.types import OverrideType

    from quartet_app.config.options import groups

    line = str(one.input_line)
    swept = any(other.is_sweep_override() and other.key_or_group in groups() for other in overrides)
    plain = one.type is OverrideType.CHANGE and not one.is_sweep_override() and not one.is_hydra_override()
    key, _, value = line.partition("=")
    always = key.split(".")[0] in ("tracking", "launcher", "seed", "budget", "validate_every", "out")
    if not swept or not plain or always:  # whatever is chosen, those are there
        return line
    return f"{key}=choice({value})" if one.key_or_group in groups() else f"++{line}"


@contextmanager
def _full_error(value: str | None) -> Iterator[None]:
    """Set HYDRA_FULL_ERROR for a while."""
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
    """Parse as Hydra does, and refuse in a line."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise QuartetError(f"{message}; --help shows what there is")

    parser.error = refuse  # type: ignore[method-assign]
    return parser.parse_intermixed_args(list(arguments))


def _flags(arguments: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return what is not an override. Hydra's parser wants these first; a person may write them anywhere."""
    flags = list(arguments)
    for one in overrides:
        flags.remove(one)
    return flags
