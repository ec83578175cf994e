"""Run one command line, and exit with a code that tells a refusal from a crash.

A refusal means that the command cannot work as typed: it prints one or two lines and exits with 2. A crash prints its
traceback and exits with 1, Ctrl-C with 130, a closed terminal with 129. Where nobody reads the output to its end, the
code is 141.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from quartet.sqlite import uri_of
from quartet.types import QuartetError
from quartet_app.config.overrides import literal_paths
from quartet_app.config.project import REPOSITORY, make_importable, project, store_folder, table_above
from quartet_app.files import expand_home, is_utf8, refused_by_disk
from quartet_app.forking import run_as_fork
from quartet_app.processes import end_with_ancestor
from quartet_app.run.crash import Crash
from quartet_app.streams import use_utf8

REFUSED, CRASHED, HUNG_UP, INTERRUPTED, BROKEN_PIPE = 2, 1, 129, 130, 141

_hung_up = False  # whether the terminal was closed
_terminals: list[int] = []  # the outputs that were a terminal at the start: a closed one cannot be told from a file
_typed_in: Path | None = None  # the folder where the command was typed, if the working directory is another one now


def run(function: Callable[[list[str]], Any], arguments: Sequence[str]) -> NoReturn:
    """Run `function` on the command line's `arguments`, and exit with its code; see the module."""
    try:
        if (code := run_as_fork()) is not None:
            sys.exit(code)
        use_utf8()
        refuse_another_clone()
        refuse_unwritable_names()
        end_with_ancestor()
        end_on_hangup()
        make_importable()
        give_a_home()
        if store_folder().is_absolute():  # below the project's folder: all tables use one store
            os.environ.setdefault("MLFLOW_TRACKING_URI", uri_of(store_folder() / "mlflow.db"))
        function(list(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        _exit("interrupted", HUNG_UP if _hung_up else INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _print_no_more()
        sys.exit(BROKEN_PIPE)
    except QuartetError as error:
        _exit(str(error), REFUSED)
    except (OSError, Crash) as error:
        cause = error.error if isinstance(error, Crash) else error
        if refusal := refused_by_disk(cause):
            _exit(str(refusal), REFUSED)
        traceback.print_exception(cause)
        _exit("", CRASHED)
    sys.exit(0)


def end_on_hangup() -> None:
    """Let SIGHUP, which a closed terminal sends, end a command as Ctrl-C does. nohup's choice to ignore it stays."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        _terminals[:] = [stream for stream in (1, 2) if os.isatty(stream)]
        signal.signal(signal.SIGHUP, _hang_up)


def _hang_up(*_: object) -> None:
    """Interrupt this process, as Ctrl-C does. What it still prints goes nowhere: a write to no terminal is an error."""
    global _hung_up
    _hung_up = True
    for stream in _terminals:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def refuse_another_clone() -> None:
    """Refuse to run one clone's code in another clone, where changes to the code would have no effect.

    PYTHONPATH names code on purpose, as the command does that repeats a run by the code of its own commit.
    """
    here, named = project(), os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if here == REPOSITORY or str(REPOSITORY / "src") in named:
        return
    if (here / "src" / "quartet_app" / "__init__.py").exists():
        raise QuartetError(
            f"{here}: this is a clone, but the command runs the code of another clone, {REPOSITORY}\n"
            f"install this one (make install), or put PYTHONPATH={here / 'src'} before the command"
        )


def refuse_unwritable_names() -> None:
    """Refuse a working directory whose name is not UTF-8, as the configurations and databases that name it are."""
    if not is_utf8(str(Path.cwd())):
        raise QuartetError(f"{Path.cwd()}: the name of this folder is not UTF-8; rename it, and try again")


def give_a_home() -> None:
    """Name a home folder, within the project, where the system knows none, as for a container's user without a name.

    MLflow and others look for their settings in it, and fail without one.
    """
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = str((store_folder() / "runs" / "home").absolute())


def enter_table() -> None:
    """Change to the folder of the table that the working directory belongs to, else to the project's folder.

    So `quartet` does the same from any folder below a project. Outside a project, the working directory stays.
    """
    global _typed_in
    found = table_above(Path.cwd()) or project()
    if found in Path.cwd().parents:
        _typed_in = Path.cwd()
        os.chdir(found)


def typed_path(text: str) -> Path:
    """Return a path of the command line, relative to the working directory that `enter_table` changed to."""
    path = expand_home(text)
    return path if path.is_absolute() or _typed_in is None else Path(os.path.relpath(_typed_in / path))


def typed_source(text: str) -> str:
    """Return the name of a run or a model. A path that exists is made relative to the present working directory."""
    path, sign, row = text.partition("#")
    there = _typed_in is not None and (_typed_in / path).exists()
    return f"{typed_path(path)}{sign}{row}" if there else text


def typed_overrides(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with their paths made relative to the present working directory.

    Paths are a resolved file such as build/cnn.yaml, and the values that `literal_paths` takes as they are.
    """
    return [
        str(typed_path(argument))
        if argument.endswith((".yaml", ".yml")) and ("=" not in argument or typed_path(argument).exists())
        else literal_paths([argument], at=_typed_in)[0]
        for argument in arguments
    ]


def _exit(message: str, code: int) -> NoReturn:
    """Print `message` to stderr, unless it is empty, and exit with `code`."""
    try:
        sys.stdout.flush()
    except OSError:  # a full disk, say, which `message` is about
        _print_no_more()
    if message:
        print(message, file=sys.stderr)
    sys.exit(code)


def _print_no_more() -> None:
    """Lead what is still printed nowhere: Python flushes stdout once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
