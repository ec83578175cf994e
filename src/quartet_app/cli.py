"""Run one command line: tell refusals from crashes, and exit with the code that says which it was.

A refusal (what was typed cannot work) is one or two lines and code 2; a crash shows its traceback and is code 1; Ctrl-C
is 130, and an output that nobody reads to its end 141.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from quartet.types import QuartetError
from quartet_app.config.project import REPOSITORY, make_importable, project, store_folder, table_above
from quartet_app.run.crash import Crash

REFUSED, CRASHED, INTERRUPTED, BROKEN_PIPE = 2, 1, 130, 141
PATH_KEYS = ("data.source.folder", "data.source.file", "data.source.mirror", "out")  # overrides whose value is a path

_typed_in: Path | None = None  # where the command was typed, if that is not the working directory any more


def run(function: Callable[[list[str]], Any], arguments: Sequence[str]) -> NoReturn:
    """Run `function` on the command line's `arguments` and exit, refusals and crashes told apart."""
    try:
        refuse_another_clone()
    except QuartetError as error:
        _exit(str(error), REFUSED)
    make_importable()
    if store_folder().is_absolute():  # one store for all of a project's tables
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{store_folder()}/mlflow.db")
    try:
        function(list(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        _exit("interrupted", INTERRUPTED)
    except BrokenPipeError:  # who reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        sys.exit(BROKEN_PIPE)
    except QuartetError as error:
        _exit(str(error), REFUSED)
    except Crash as crash:
        traceback.print_exception(crash.error)
        _exit("", CRASHED)
    sys.exit(0)


def refuse_another_clone() -> None:
    """Refuse to run one clone's code in another clone, whose own code would be left out in silence."""
    here = project()
    if here != REPOSITORY and (here / "src" / "quartet_app" / "__init__.py").exists():
        raise QuartetError(
            f"{here}: this clone's code is not what runs, but that of {REPOSITORY}\n"
            f"install this one (make install), or put PYTHONPATH={here / 'src'} before the command"
        )


def enter_table() -> None:
    """Work in the table that the working directory belongs to, else in the project's folder.

    So that `quartet` does the same from any folder below a project. Elsewhere the working directory stays.
    """
    global _typed_in
    found = table_above(Path.cwd()) or project()
    if found in Path.cwd().parents:
        _typed_in = Path.cwd()
        os.chdir(found)


def typed_path(text: str) -> Path:
    """Return a path of the command line, typed where the command was, as seen from the working directory now."""
    path = Path(text).expanduser()
    return path if path.is_absolute() or _typed_in is None else Path(os.path.relpath(_typed_in / path))


def typed_source(text: str) -> str:
    """Return what names a run or model; a path that is there as seen from the working directory now."""
    path, sign, row = text.partition("#")
    there = _typed_in is not None and (_typed_in / path).exists()
    return f"{typed_path(path)}{sign}{row}" if there else text


def typed_overrides(words: Sequence[str]) -> list[str]:
    """Return overrides whose paths, where they exist, are as seen from the working directory now."""
    found = []
    for word in words:
        key, equals, value = word.partition("=")
        is_path = not equals and word.endswith((".yaml", ".yml"))
        if is_path:
            found.append(str(typed_path(word)))
        elif key in PATH_KEYS and _typed_in is not None and (_typed_in / value).exists():
            found.append(f"{key}={typed_path(value)}")
        else:
            found.append(word)
    return found


def _exit(message: str, code: int) -> NoReturn:
    sys.stdout.flush()
    if message:
        print(message, file=sys.stderr)
    sys.exit(code)
