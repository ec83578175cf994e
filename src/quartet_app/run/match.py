"""Nets of one size: the width at which a net has as many parameters, or takes as many operations, as another family's.

`match.parameters=2e5`, or `match.flops=5e7` for those of a training sample, forward and backward, set `net.width`, and
where no width comes close enough the family's fine setting too. Where a method trains several, each has an equal share.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache, partial
from math import exp, log
from typing import TYPE_CHECKING

from quartet.types import QuartetError
from quartet_app.config.resolved import Config

if TYPE_CHECKING:
    from pathlib import Path


TOLERANCE = 0.02  # the relative difference that still counts as equal
CLOSE = 0.005  # nearer than this by its width alone, a net keeps its fine setting
WIDEST = 1 << 13
FEW = 8  # examples for which operations are counted where all are of one length
SPACING = 256  # how far apart the widths that a family can have may lie
SIZED_BY = ("match", "net", "task", "method", "data")  # the parts of a config that the solution depends on
TRIED = 3  # widths on either side for which the fine setting is looked for
FINE_RANGE = 2.5  # the factor by which the fine setting may change


def matched(config: Config, folder: Path) -> Config:
    """`config` with nets of the size that `match` asks for, on the data prepared in `folder`; itself where nothing is
    asked. QuartetError where no width gives that size."""
    if all(value is None for value in config["match"].values()):
        return config
    sized_by = [str(folder.resolve()), (folder / "manifest.json").read_text(), *(config[part] for part in SIZED_BY)]
    if (known := json.dumps(sized_by)) not in _solutions:  # a hundred nets are built, and a sweep's trials are alike
        _solutions[known] = _matched(config, folder)
    return {**config, **copy.deepcopy(_solutions[known])}


_solutions: dict[str, Config] = {}


def _matched(config: Config, folder: Path) -> Config:
    """The parts of `config` that matching changes."""
    from quartet_app.run.build import nets_of

    key, target = next((key, float(value)) for key, value in config["match"].items() if value is not None)
    nets = nets_of(config)
    if key == "flops":
        if len(nets) > 1:
            raise QuartetError("match.flops: two players have no one width; give match.parameters, which they share")
        return {"net": solve(config["net"], partial(operations, config, folder), target, "match.flops")}
    share = target / len(nets)
    solved = {
        name: solve(net, partial(parameters, config, folder, name), share, "match.parameters")
        for name, net in nets.items()
    }
    beside = {name: net for name, net in solved.items() if name != "net"}
    return {"net": solved["net"], **({"method": {**config["method"], **beside}} if beside else {})}


def sizes(config: Config) -> str:
    """What matching has set, as a person would type it."""
    from quartet_app.run.build import nets_of

    nets = {name if name == "net" else f"method.{name}": net for name, net in nets_of(config).items()}
    keys = ("width", "growth", "mlp_ratio")
    return " ".join(f"{name}.{key}={net[key]}" for name, net in nets.items() for key in keys if key in net)


def parameters(config: Config, folder: Path, name: str, net: Config) -> float:
    """Parameters of the model that the task makes of `net`, which is `net` or what the method calls `name`; without
    memory, on torch's meta device."""
    import torch
    from hydra.utils import instantiate

    from quartet_app.run.build import build_data, build_task

    task, data = build_task(config), build_data(config, folder)
    net = {**net, **({"spectral": False} if "spectral" in net else {})}  # costs much to build and has no parameters
    build = task.build if name == "net" else getattr(task, f"build_{name}")
    with torch.device("meta"):
        model = build(instantiate(net), data)
    return float(sum(parameter.numel() for parameter in model.parameters()))


def operations(config: Config, folder: Path, net: Config) -> float:
    """Operations of training `net` on one sample, as the run itself will count them."""
    from quartet_app.run.build import build_data, build_method

    config = {**config, "net": net}
    data = build_data(config, folder)
    if data.kind.fixed:  # else lengths, and padding, differ
        loading = {**config["data"]["loading"], "batch_size": FEW}
        data = build_data({**config, "data": {**config["data"], "loading": loading}}, folder)
    method = build_method(config, data)
    return method.count_flops(data.typical_batch())


def solve(net: Config, size: Callable[[Config], float], target: float, key: str) -> Config:
    """`net` at the width at which its `size` comes nearest to `target`; QuartetError if that is not within TOLERANCE.

    One that is near enough stays as it is, so that a run that is repeated is not sized anew.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import get_class

    name = str(net["_target_"]).rpartition(".")[2]
    knob: str = getattr(get_class(net["_target_"]), "FINE", None) or ""

    @cache
    def log_error(width: int, fine: float | None = None) -> float | None:
        """How far from the target, as a logarithm; None where the family cannot have that width."""
        try:
            return log(size({**net, "width": width, **({} if fine is None else {knob: fine})}) / target)
        except (QuartetError, InstantiationException):
            return None

    there = log_error(net["width"])
    if there is not None and abs(there) <= TOLERANCE:
        return net
    widths = candidate_widths(log_error)
    if not widths:
        size(net)  # refuses, if it is not the width that is impossible
        raise QuartetError(f"{key}: given {target:g}, which no width of {name} comes near")
    found = closest(widths, log_error, usual=float(net[knob]) if knob else None)
    if abs(log_error(*found) or 0.0) > TOLERANCE:
        able = " or ".join(f"{exp(log_error(width) or 0.0) * target:.6g}" for width in widths)
        raise QuartetError(
            f"{key}: given {target:g}, but {name} can have {able}\n"
            "give one of these, or change another of its settings, as net.layers"
        )
    width, fine = found
    return {**net, "width": width, **({} if fine is None else {knob: fine})}


def closest(
    widths: list[int], log_error: Callable[..., float | None], *, usual: float | None
) -> tuple[int, float | None]:
    """Return the width, and the fine setting if it must change, that come closest to the target.

    `usual`: the fine setting as the configuration has it, None for a net without one. It changes only where no width
    by itself is closer than CLOSE, and then as little as a size within TOLERANCE needs.
    """
    sizes: list[tuple[int, float | None]] = [(width, None) for width in widths]
    found = min(sizes, key=lambda size: abs(log_error(*size) or 0.0))
    if usual is None or abs(log_error(*found) or 0.0) <= CLOSE:
        return found
    fines = [(width, fine) for width in widths for fine in refine(partial(log_error, width), usual)]
    near = [size for size in fines if (error := log_error(*size)) is not None and abs(error) <= TOLERANCE]
    return min(near, key=lambda size: abs(log(size[1] / usual)), default=found)


def candidate_widths(log_error: Callable[[int], float | None]) -> list[int]:
    """The TRIED possible widths on either side of where `log_error` changes its sign."""

    def possible(start: int, step: int) -> int | None:
        """The first possible width from `start` on, upwards or downwards."""
        widths = range(max(start, 0), start + step * SPACING, step)
        return next((width for width in widths if width > 0 and log_error(width) is not None), None)

    def enough(width: int) -> bool:
        reached = possible(width, 1)
        return reached is None or (log_error(reached) or 0.0) >= 0

    low, high = 0, 1
    while not enough(high) and high < WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    widths: list[int] = []
    for step, start in ((-1, high - 1), (1, high)):
        for _ in range(TRIED):
            width = possible(start, step)
            if width is None:
                break
            widths.append(width)
            start = width + step
    return sorted(widths)


def refine(log_error: Callable[[float], float | None], usual: float) -> list[float]:
    """Return values of the fine setting, to four digits, just below and above where `log_error` changes its sign.

    Sizes are whole numbers of features, so that it jumps there.
    """
    low, high = usual / FINE_RANGE, usual * FINE_RANGE
    if log_error(low) is None or log_error(high) is None or (log_error(low) or 0.0) * (log_error(high) or 0.0) > 0:
        return []
    while high / low > 1.002:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if (log_error(middle) or 0.0) >= 0 else (middle, high)
    return [round(low, 4), round(high, 4)]
