"""Match the size of nets: find the width at which a net has a given number of parameters or of operations.

`match.parameters=2e5` and `match.flops=5e7` set `net.width`; FLOPs are of one training sample, forward and backward.
Where no width comes close enough, the family's fine setting (`FINE`, such as `net.growth`) changes too. Where a method
trains several nets, each gets an equal share of the parameters.
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
from quartet_app.data.content import read_manifest

if TYPE_CHECKING:
    from pathlib import Path


TOLERANCE = 0.02  # the relative difference that still counts as equal
CLOSE = 0.005  # a net that comes nearer than this by its width alone keeps its fine setting
WIDEST = 1 << 13
FEW = 8  # examples for which operations are counted where all have the same length
SPACING = 256  # the largest gap between two possible widths of a family
SIZED_BY = ("match", "net", "task", "method", "data")  # the parts of a config that the solution depends on
TRIED = 3  # widths on either side of the target for which a fine setting is tried
FINE_RANGE = 2.5  # the factor by which the fine setting may change


def matched(config: Config, folder: Path) -> Config:
    """Return a copy of `config` whose nets have the size that `match` sets; `config` itself where `match` is empty.

    The size depends on the data prepared in `folder`. QuartetError where no width gives that size.
    """
    if all(value is None for value in config["match"].values()):
        return config
    sized_by = [str(folder.resolve()), read_manifest(folder), *(config[part] for part in SIZED_BY)]
    # A solution takes a hundred nets, and the trials of a sweep ask for the same one again.
    if (key := json.dumps(sized_by)) not in _solutions:
        _solutions[key] = _matched(config, folder)
    return {**config, **copy.deepcopy(_solutions[key])}


_solutions: dict[str, Config] = {}


def _matched(config: Config, folder: Path) -> Config:
    """Return the sections of `config` that matching changes: `net`, and `method` where it has nets of its own."""
    from quartet_app.run.build import nets_of

    key, target = next((key, float(value)) for key, value in config["match"].items() if value is not None)
    nets = nets_of(config)
    if key == "flops":
        if len(nets) > 1:
            raise QuartetError("match.flops: not for several nets, as in a GAN; give match.parameters instead")
        return {"net": solve(config["net"], partial(operations, config, folder), target, "match.flops")}
    share = target / len(nets)
    solved = {
        name: solve(net, partial(parameters, config, folder, name), share, "match.parameters")
        for name, net in nets.items()
    }
    others = {name: net for name, net in solved.items() if name != "net"}
    return {"net": solved["net"], **({"method": {**config["method"], **others}} if others else {})}


def sizes(config: Config) -> str:
    """Return the settings that matching chose, as overrides: "net.width=48 net.growth=1.5"."""
    from quartet_app.run.build import nets_of

    nets = {name if name == "net" else f"method.{name}": net for name, net in nets_of(config).items()}
    keys = ("width", "growth", "mlp_ratio")
    return " ".join(f"{name}.{key}={net[key]}" for name, net in nets.items() for key in keys if key in net)


def parameters(config: Config, folder: Path, name: str, net: Config) -> float:
    """Return the number of parameters of the model that the task builds from `net`.

    `name` is the net's key in the run: "net", or a key of the method such as "discriminator". The model is built on
    torch's meta device and takes no memory.
    """
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
    """Return the operations of training `net` on one sample, by the same count as in a run."""
    from quartet_app.run.build import build_data, build_method

    config = {**config, "net": net}
    data = build_data(config, folder)
    if data.kind.fixed:  # with other data, lengths and so padding differ from batch to batch
        loading = {**config["data"]["loading"], "batch_size": FEW}
        data = build_data({**config, "data": {**config["data"], "loading": loading}}, folder)
    method = build_method(config, data)
    return method.count_flops(data.typical_batch())


def solve(net: Config, size: Callable[[Config], float], target: float, key: str) -> Config:
    """Return `net` with the width at which its `size` comes nearest to `target`.

    A net that is within TOLERANCE already stays as it is, so that a repeated run keeps its width. Raises QuartetError,
    which names the setting `key`, where no width comes within TOLERANCE.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import get_class

    name = str(net["_target_"]).rpartition(".")[2]
    fine_key: str = getattr(get_class(net["_target_"]), "FINE", None) or ""

    @cache
    def log_error(width: int, fine: float | None = None) -> float | None:
        """Return log(size / target) at this width; None where the family cannot have this width."""
        try:
            return log(size({**net, "width": width, **({} if fine is None else {fine_key: fine})}) / target)
        except (QuartetError, InstantiationException):
            return None

    present = log_error(net["width"])
    if present is not None and abs(present) <= TOLERANCE:
        return net
    widths = candidate_widths(log_error)
    if not widths:
        size(net)  # raises the net's own error, where another setting than the width is wrong
        raise QuartetError(f"{key}: given {target:g}, but no width of {name} comes near it")
    found = closest(widths, log_error, usual=float(net[fine_key]) if fine_key else None)
    if abs(log_error(*found) or 0.0) > TOLERANCE:
        able = " or ".join(f"{exp(log_error(width) or 0.0) * target:.6g}" for width in widths)
        raise QuartetError(
            f"{key}: given {target:g}, but {name} can have {able}\n"
            "give one of these, or change another of its settings, as net.layers"
        )
    width, fine = found
    return {**net, "width": width, **({} if fine is None else {fine_key: fine})}


def closest(
    widths: list[int], log_error: Callable[..., float | None], *, usual: float | None
) -> tuple[int, float | None]:
    """Return the width, and the fine setting if it must change, that come closest to the target.

    `usual` is the configured value of the fine setting; None for a net that has no fine setting. It changes only where
    no width alone comes closer than CLOSE, and then no more than a size within TOLERANCE needs.
    """
    sizes: list[tuple[int, float | None]] = [(width, None) for width in widths]
    found = min(sizes, key=lambda size: abs(log_error(*size) or 0.0))
    if usual is None or abs(log_error(*found) or 0.0) <= CLOSE:
        return found
    fines = [(width, fine) for width in widths for fine in refine(partial(log_error, width), usual)]
    near = [size for size in fines if (error := log_error(*size)) is not None and abs(error) <= TOLERANCE]
    return min(near, key=lambda size: abs(log(size[1] / usual)), default=found)


def candidate_widths(log_error: Callable[[int], float | None]) -> list[int]:
    """Return the TRIED nearest possible widths below and above the target, where `log_error` changes its sign."""

    def possible(start: int, step: int) -> int | None:
        """Return the first possible width from `start` on, upwards (step 1) or downwards (-1)."""
        widths = range(max(start, 0), start + step * SPACING, step)
        return next((width for width in widths if width > 0 and log_error(width) is not None), None)

    def enough(width: int) -> bool:
        """Return True where this width, or the next possible one above it, reaches the target."""
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
    """Return the two values of the fine setting, to four digits, just below and above the target.

    `log_error` jumps between them, since layers have whole numbers of features.
    """
    low, high = usual / FINE_RANGE, usual * FINE_RANGE
    if log_error(low) is None or log_error(high) is None or (log_error(low) or 0.0) * (log_error(high) or 0.0) > 0:
        return []
    while high / low > 1.002:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if (log_error(middle) or 0.0) >= 0 else (middle, high)
    return [round(low, 4), round(high, 4)]
