"""Check that the task works on the kind of data, and that devices can share its batches; nothing is imported for it."""

from __future__ import annotations

from typing import Any

from quartet.data.loading.kinds import SHIPPED, kind_path
from quartet.types import QuartetError
from quartet_app.config.options import options, target
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import constants, signature


def check_kind(config: Config) -> None:
    """Raise QuartetError where the source's kind of data is none, or the task does not work on it."""
    kind, accepts = kind_of(config), constants(config["task"]["_target_"]).get("ACCEPTS")
    if kind is None:
        return
    if signature(kind_path(kind)) is None:
        raise QuartetError(
            f"data.source: {_class_name(config['data']['source'])}.KIND is {kind}, and there is no such class; "
            f"one of {', '.join(SHIPPED)}, or the full path of a class, would do"
        )
    taken_as = {kind, *_kind_constants(config).get("LIKE", ())}
    if accepts and taken_as.isdisjoint(accepts):
        able = [
            name
            for name in options("task")
            if not taken_as.isdisjoint(constants(target("task", name)).get("ACCEPTS", ()))
        ]
        raise QuartetError(
            f"data: {config['data']['name']} holds {kind}, "
            f"task {_class_name(config['task'])} needs {' or '.join(accepts)}; "
            f"choose other data, or task= one of {', '.join(able) or 'none here'}"
        )


def check_shares(config: Config) -> None:
    """Raise QuartetError where devices and their micro-batches cannot share a batch without a remainder."""
    trainer, accumulate = config["trainer"], config["method"].get("accumulate_grad_batches", 1)
    shares = trainer["devices"] * accumulate
    group = _kind_constants(config).get("GROUP")
    if group is not None:
        size, key, what = group, "trainer.devices", f"groups of {group} {kind_of(config)}"
    else:
        size, key = config["data"]["loading"].get("batch_size"), "data.loading.batch_size"
        what = f"a batch of {size}"
    if not isinstance(size, int) or size % shares == 0:
        return
    near = [n for n in (size - size % shares, size - size % shares + shares) if n > 0]
    remedy = f"take {' or '.join(map(str, near))}" if group is None else f"make these divide {group}"
    raise QuartetError(
        f"{key}: {what} cannot be shared by {trainer['devices']} devices × {accumulate}"
        f" micro-batches (method.accumulate_grad_batches); {remedy}"
    )


def kind_of(config: Config) -> str | None:
    """The name of the kind of data, as the source's class gives it; None where it gives none."""
    kind = constants(str(config["data"]["source"].get("_target_"))).get("KIND")
    return None if kind is None else str(kind)


def _kind_constants(config: Config) -> dict[str, Any]:
    """The constants of the class of this kind of data."""
    return constants(kind_path(kind_of(config) or ""))


def _class_name(node: Config) -> str:
    return str(node["_target_"]).rpartition(".")[2]
