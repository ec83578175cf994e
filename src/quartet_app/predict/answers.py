"""Print the predictions that `quartet predict` asks for. The model's role reads the input and prints."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from quartet import roles
from quartet.types import QuartetError


def load(args: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Load the model that the command line names; return its predictor and its facts, and print them to stderr."""
    from quartet_app.predict import predictor

    if args.source is not None and args.data is not None:
        raise QuartetError("--from and --data: give one of them; --data chooses among champions")
    loaded, facts = predictor.load(args.role, source=args.source, data=args.data)
    shown = [f"{key} {facts[key]}" for key in ("version", "net", "data", "seed") if key in facts]
    print(f"{facts['model']}{': ' if shown else ''}{', '.join(shown)}", file=sys.stderr)
    return loaded, facts


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the errors of predicting into QuartetErrors, and end in silence where nobody reads the output any more.

    A served model answers the same errors, MlflowExceptions, with HTTP status 400.
    """
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout once more at its end
    except ModuleNotFoundError as error:
        raise QuartetError(f"{error}: predicting needs the extra pipeline: pip install -e '.[pipeline]'") from error
    except Exception as error:
        exceptions = sys.modules.get("mlflow.exceptions")
        if exceptions is not None and isinstance(error, exceptions.MlflowException):
            raise QuartetError(error.message) from error
        raise


def answer(args: argparse.Namespace) -> None:
    """Print the predictions of the model with the role `args.role`; QuartetError for input that it refuses."""
    with refusals():
        roles.find(args.role).answer(args, partial(load, args))
