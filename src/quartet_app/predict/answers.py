"""Answer what `quartet predict` asks, by the role of the model."""

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


def load(chosen: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    from quartet_app.predict import predictor

    if chosen.source is not None and chosen.data is not None:
        raise QuartetError("--from and --data: give one of them; --data chooses among champions")
    loaded, known = predictor.load(chosen.role, source=chosen.source, data=chosen.data)
    facts = [f"{key} {known[key]}" for key in ("version", "net", "data", "seed") if key in known]
    print(f"{known['model']}{': ' if facts else ''}{', '.join(facts)}", file=sys.stderr)
    return loaded, known


@contextmanager
def refusals() -> Iterator[None]:
    """What a served model would answer with a 400 is a refusal here; whoever reads the answers may stop reading."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try once more when it ends
    except ModuleNotFoundError as error:
        raise QuartetError(f"{error}: predicting takes the extra pipeline: pip install -e '.[pipeline]'") from error
    except Exception as error:
        exceptions = sys.modules.get("mlflow.exceptions")
        if exceptions is not None and isinstance(error, exceptions.MlflowException):
            raise QuartetError(error.message) from error
        raise


def answer(chosen: argparse.Namespace) -> None:
    """Print the answers of the model of `chosen.role`; what a served model would refuse is a QuartetError."""
    with refusals():
        roles.find(chosen.role).answer(chosen, partial(load, chosen))
