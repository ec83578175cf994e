"""The one way in from the command line: composes or loads a tree, checks it, and runs a task on it.

A refusal (what was typed cannot work) is one or two lines and code 2; a crash of the task shows its traceback and is
code 1; Ctrl-C is 130, and an output that nobody reads to its end 141. Nothing heavy is imported before the tree has
passed the check.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from quartet.types import QuartetError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

Task = Callable[["DictConfig"], Any]

FULL_ERROR = "HYDRA_FULL_ERROR"
REFUSED, CRASHED, INTERRUPTED, UNHEARD = 2, 1, 130, 141


def main(task: Task) -> Callable[[], None]:
    """The program that runs `task` on the configuration that `sys.argv` asks for, and exits.

    `program key=value …` composes conf/ (and all of Hydra's flags work, `--multirun` above all);
    `program build/cnn.yaml key=value …` takes a resolved tree. What reaches `task` has been checked; under a sweep
    its return value is the objective.
    """

    def program() -> None:
        run(lambda arguments: _dispatch(task, arguments), sys.argv[1:])

    return program


def run(function: Callable[[list[str]], Any], arguments: Sequence[str]) -> NoReturn:
    """Run `function` on the command line's `arguments` and exit, refusals and crashes told apart."""
    from pipelines.configuration import home

    if home().is_absolute():  # one store for all of a project's tables
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{home()}/mlflow.db")
    try:
        function(list(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        _leave("interrupted", INTERRUPTED)
    except BrokenPipeError:  # who reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        sys.exit(UNHEARD)
    except QuartetError as error:
        _leave(str(error), REFUSED)
    except Crash as crash:
        traceback.print_exception(crash.error)
        _leave("", CRASHED)
    sys.exit(0)


def _dispatch(task: Task, arguments: list[str]) -> None:
    if {"--help", "-h"} & set(arguments):
        print(help_text(Path(sys.argv[0]), task))
        return
    sweep = next((argument for argument in arguments if argument.startswith("sweep=")), None)
    if sweep is not None and not {"--multirun", "-m", "--cfg", "-c"} & set(arguments):
        raise QuartetError(f"{sweep}: a sweep is many runs; add --multirun")
    if any(argument.startswith(("-", "hydra")) for argument in arguments):
        _run_hydra(task, arguments)
    else:
        _run_once(task, arguments)


class Crash(Exception):
    """What a task raised that is no refusal, with the frames of the task alone."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        own = error.__traceback__.tb_next if error.__traceback__ else None
        self.error = error.with_traceback(own)


def _leave(message: str, code: int) -> NoReturn:
    sys.stdout.flush()
    if message:
        print(message, file=sys.stderr)
    sys.exit(code)


def _run_once(task: Task, arguments: Sequence[str]) -> None:
    """One run needs nothing of Hydra but the composing."""
    from omegaconf import OmegaConf

    _run_task(task, OmegaConf.create(tree_of(arguments)))


def tree_of(arguments: Sequence[str]) -> dict[str, Any]:
    """The resolved, checked tree that `key=value …` composes, or that `build/cnn.yaml key=value …` holds."""
    from pipelines.check import check
    from pipelines.configuration import compose, load, override

    if arguments and arguments[0].endswith((".yaml", ".yml")):
        tree = override(load(Path(arguments[0])), arguments[1:])
    else:
        tree = compose(arguments)
    check(tree)
    return tree


def _run_task(task: Task, config: DictConfig) -> Any:
    try:
        return task(config)
    except QuartetError:
        raise
    except Exception as error:
        raise Crash(error) from None


def _run_hydra(task: Task, arguments: Sequence[str]) -> None:
    import hydra

    from pipelines.configuration import CONF, HYDRA_VERSION
    from pipelines.refusals import explain

    asked = os.environ.get(FULL_ERROR)
    job = _job(task, full_error=asked)
    program = hydra.main(config_path=str(CONF), config_name="config", version_base=HYDRA_VERSION)(job)
    try:
        with _full_error("1"):  # Hydra hands errors on, for us to explain
            options = _parse(arguments)
            overrides = _check_sweep(options.overrides) if options.multirun else options.overrides
            sys.argv[1:] = [*_flags(arguments, options.overrides), *overrides]
            program()
    except (QuartetError, Crash):
        raise
    except Exception as error:
        if asked == "1":
            raise
        raise QuartetError(explain(error)) from error


def _job(task: Task, *, full_error: str | None) -> Callable[[Any], Any]:
    """What Hydra runs: the task, on the checked tree of the configuration that Hydra composed."""

    def job(config: Any) -> Any:
        from hydra_plugins.quartet_ray_sweeper import trial
        from pipelines.check import check
        from pipelines.configuration import resolve
        from pipelines.refusals import explain

        try:
            check(resolve(config))
        except Exception as error:
            raise QuartetError(explain(error)) from error
        with _full_error(full_error):
            return _run_task(task, config) if trial() is None else task(config)  # the sweep tells a trial's crash

    return job


def _check_sweep(overrides: Sequence[str]) -> list[str]:
    """Check every job of a plain sweep before the first one starts, and give the overrides as Hydra can sweep them.

    A sweep on Ray is told what it must know of the runs, and checks each as it comes; so must another sweeper.
    """
    from hydra import initialize_config_dir
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from pipelines import sweeps
    from pipelines.check import check
    from pipelines.configuration import CONF, HYDRA_VERSION, compose

    with initialize_config_dir(str(CONF), version_base=HYDRA_VERSION):
        loader = GlobalHydra.instance().config_loader()
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
    more: list[str] = []
    if sweeps.on_ray(parsed):
        more = sweeps.completed(parsed, loader)
    elif not any(one.key_or_group == sweeps.SWEEPER for one in parsed):
        for job in BasicSweeper.split_arguments(parsed, None)[0]:
            tree = compose([one for one in job if not one.startswith("hydra")])
            check(tree)
            sweeps.refuse_solved(parsed, tree)
    return more + [_put_off(one, parsed) for one in parsed]


def _put_off(one: Override, overrides: Sequence[Override]) -> str:
    """`key=value` as Hydra takes it where a group is swept. Hydra composes once without what is swept, and would look
    for the key before the option that has it is chosen: it may add the key, and a group is swept over one option."""
    from hydra.core.override_parser.types import OverrideType

    from pipelines.configuration import groups

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
    """HYDRA_FULL_ERROR for a while."""
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
    """Hydra's own parser, refusing in a line."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise QuartetError(f"{message}; --help shows what there is")

    parser.error = refuse  # type: ignore[method-assign]
    return parser.parse_intermixed_args(list(arguments))


def _flags(arguments: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """What is not an override. Hydra's parser wants these first; a person may write them anywhere."""
    flags = list(arguments)
    for one in overrides:
        flags.remove(one)
    return flags


def help_text(program: Path, task: Task) -> str:
    """What can be said to `program`, read from conf/ as it is now."""
    from pipelines.configuration import files, groups, headline, options

    about = (sys.modules[task.__module__].__doc__ or task.__doc__ or "").strip().splitlines()
    command = f"python {os.path.relpath(program)}"
    chosen = [group for group in groups() if group != "experiment" and options(group)]
    wide = max(map(len, chosen + files("experiment")), default=0)
    return "\n".join(
        [
            *about[:1],
            "",
            f"  {command} experiment=cnn",
            f"  {command} experiment=cnn net.width=48 optimizer.lr=0.1 profile=full",
            f"  {command} experiment=rnn trainer=ddp trainer.devices=2",
            f"  {command} experiment=cnn seed=0,1,2 --multirun",
            f"  {command} sweep=cnn --multirun               a search by Ray Tune",
            f"  {command} build/cnn.yaml seed=1      a resolved file, as the pipeline runs it",
            "",
            "Experiments (experiment=…):",
            *(f"  {name:{wide}}  {headline('experiment', name)}" for name in files("experiment")),
            f"  and <line>_<net> with any net for each line of the grid: {', '.join(files('experiment/grid'))}",
            "",
            "Groups (net=…), of which an experiment chooses; each of their values can be set, as net.width=48:",
            *(f"  {group:{wide}}  {', '.join(options(group))}" for group in chosen),
            "",
            "See all that a run would use: --cfg job. Hydra's other flags: --hydra-help.",
        ]
    )
