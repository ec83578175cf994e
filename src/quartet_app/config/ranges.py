"""Check that numbers lie in their allowed ranges. A name has the same range in every group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quartet.types import QuartetError
from quartet_app.config.containers import walk

Range = tuple[str, Callable[[float], bool]]

AT_LEAST_ONE: Range = ("at least 1", lambda value: value >= 1)
POSITIVE: Range = ("more than 0", lambda value: value > 0)
NOT_NEGATIVE: Range = ("at least 0", lambda value: value >= 0)
FRACTION: Range = ("in [0, 1)", lambda value: 0 <= value < 1)
SHARE: Range = ("in [0, 1]", lambda value: 0 <= value <= 1)

RANGES: dict[str, Range] = {
    **dict.fromkeys(
        (
            *(
                "batch_size",
                "accumulate_grad_batches",
                "devices",
                "threads",
                "log_every",
                "patience",
                "context",
                "latent_dim",
            ),
            *("width", "layers", "heads", "stages", "kernel", "cycle", "patch", "steps"),
            *("n_critic", "r1_every", "num_beams", "sentences", "tokens"),
        ),
        AT_LEAST_ONE,
    ),
    **dict.fromkeys(
        ("lr", "grad_clip_norm", "eps", "growth", "mlp_ratio", "max_ratio", "parameters", "flops"), POSITIVE
    ),
    **dict.fromkeys(
        (
            "seed",
            "depth",
            "weight_decay",
            "discriminator_warmup_steps",
            "r1",
            "tolerance",
            "temperature",
            "length_penalty",
            "max_extra",
        ),
        NOT_NEGATIVE,
    ),
    **dict.fromkeys(("dropout", "label_smoothing", "ema_decay", "momentum", "betas", "warmup"), FRACTION),
    **dict.fromkeys(("min_lr_ratio", "cooldown", "top_p"), SHARE),
    "vocabulary": ("from 1 to 65536", lambda value: 1 <= value <= 65536),  # prepared tokens are 16-bit numbers
}


def check_ranges(config: dict[str, Any]) -> None:
    """Raise QuartetError for the first number in `config` outside its range."""
    for path, value in walk(config):
        _check_range(value, path.rpartition(".")[2], path)


def _check_range(value: Any, name: str, path: str) -> None:
    """Refuse a number, or a list with a number, outside the range of `name`. Other values pass."""
    if name not in RANGES:
        return
    allowed, holds = RANGES[name]
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, int | float) and not isinstance(number, bool) and not holds(number):
            raise QuartetError(
                f"{path}: given {value}, needs {'numbers' if number is not value else 'a number'} {allowed}"
            )
