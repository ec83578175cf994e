"""Measure what serving a trained model costs: the time of a request and the size of the exported model.

The exported programs are timed as MLflow serves them: through the role's script, on the CPU. The times are those of
this machine at this moment. A request is the script's example, repeated to a batch: images, series, sentences to
translate with the params of the run's evaluation, texts to continue by as many tokens as the script adds, or a number
of images to make.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from quartet import roles
from quartet.export import export
from quartet.types import QuartetError

if TYPE_CHECKING:
    from torch import nn

SIZES = (1, 64)  # requests in a batch
SECONDS = 0.4  # of measuring each size; a slow model is asked once
SLOW = 0.25  # seconds from which a first, slower call counts rather than warms up
LONGEST = 1.5  # seconds that a batch may take; a longer one is reckoned from a smaller one
FEWER = 8  # by which a batch that takes too long is divided
MOST = 200  # repetitions of a size


def serving_cost(model: nn.Module, described: Mapping[str, Any]) -> dict[str, Any]:
    """Export a copy of `model` and return what serving it costs, by name.

    `latency_ms_1` and `latency_ms_64` are medians of the milliseconds of a batch of so many requests, the same with
    `_p90` their 90th percentiles and with `_count` how often they were measured; `throughput_64` is in requests a
    second; `bytes` is the size of the exported files. `latency_ms_64_of` is the size of the batch that was timed: 64,
    or a smaller one, of which the numbers are multiples, where 64 requests one by one would take too long. Raises
    QuartetError for a model that cannot be exported or asked.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = export(model, described, Path(name))
        size = sum(file.stat().st_size for file in folder.iterdir())
        predictor, script = _predictor(described, folder)
        costs: dict[str, Any] = {"bytes": size, "threads": torch.get_num_threads()}
        one = 0.0
        for count in SIZES:
            asked = count
            while one * asked > LONGEST and asked > 1:
                asked //= FEWER
            taken = [count / asked * seconds for seconds in _times(predictor, request(script, described, asked))]
            one = one or float(np.median(taken))
            costs |= {**_summary(taken, count), f"latency_ms_{count}_of": asked}
    return costs


def request(script: Any, described: Mapping[str, Any], count: int) -> Any:
    """Return a batch of `count` requests: of the script's own `request`, else its example, repeated.

    Raises QuartetError for an example that is neither an array nor a list.
    """
    if hasattr(script, "request"):
        return script.request(described, count)
    example = script.example(described)
    if isinstance(example, np.ndarray) and len(example):
        return np.resize(example, (count, *example.shape[1:]))
    if isinstance(example, list) and example:
        return list(islice(cycle(example), count))
    raise QuartetError(
        f"{script.__name__}: its example is a {type(example).__name__}, which cannot be repeated to a batch; "
        "give it request(described, count)"
    )


def _predictor(described: Mapping[str, Any], folder: Path) -> tuple[Any, Any]:
    """Return the predictor of the exported programs, and the role's script; QuartetError without its packages."""
    role = roles.find(described["role"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        programs = {path.stem: torch.export.load(path).module() for path in sorted(folder.glob("*.pt2"))}
    try:
        return role.predictor(described, programs), role.script(described)
    except ModuleNotFoundError as error:
        raise QuartetError(f"{error}: serving needs the extra pipeline: pip install -e '.[pipeline]'") from error


def _times(predictor: Any, asked: Any) -> Sequence[float]:
    """Return the seconds of answers to the same batch. The first answer warms up, unless it takes long."""
    first = _seconds(lambda: predictor.predict(None, asked))
    if first > SLOW:
        return [first if first > 4 * SLOW else _seconds(lambda: predictor.predict(None, asked))]
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < SECONDS and len(taken) < MOST):
        taken.append(_seconds(lambda: predictor.predict(None, asked)))
    return taken


def _seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _summary(taken: Sequence[float], count: int) -> dict[str, float]:
    """Return the numbers of a batch of `count` from the seconds of its repetitions."""
    median, late = (float(np.quantile(taken, share)) for share in (0.5, 0.9))
    found: dict[str, float] = {
        f"latency_ms_{count}": 1000 * median,
        f"latency_ms_{count}_p90": 1000 * late,
        f"latency_ms_{count}_count": len(taken),
    }
    return found if count == 1 else {**found, f"throughput_{count}": count / median}
