"""Refuse configurations whose parts are each valid but cannot work together."""

from __future__ import annotations

from typing import Any

from quartet.data.loading.kinds import SHIPPED, kind_path
from quartet.types import QuartetError
from quartet_app.config.options import options, target
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import constants, signature


def check_combinations(config: Config) -> None:
    """Raise QuartetError, in one or two lines, for the first combination in `config` that cannot work."""
    _check_roles(config)
    _check_heads(config)
    _check_kind(config)
    _check_method(config)
    _check_precision(config)
    _check_penalty(config)
    _check_shares(config)
    if all(config["match"].values()):
        raise QuartetError("match: parameters and flops are both given, but a net has one width; give one of them")


def _check_roles(config: Config) -> None:
    """Refuse a net, of the run or of the method, that lacks the role which the task or the method needs."""
    role = _constant_of(config["task"], "NET_ROLE") or _constant_of(config["task"], "ROLE")
    method_nets = (_constant_of(config["method"], "NETS") or {}).items()
    nets = [
        ("net", config["net"], role),
        *((f"method.{key}", config["method"][key], needs) for key, needs in method_nets),
    ]
    for key, net, role in nets:
        definition = signature(net["_target_"])
        roles = definition.constants.get("ROLES", ()) if definition else ()
        if role is not None and role not in roles:
            able = [name for name in options("net") if role in _constant("net", name, "ROLES")]
            group = "net" if key == "net" else f"net@{key}"
            raise QuartetError(
                f"{key}: {_class_name(net)} cannot {role}, as task {_class_name(config['task'])} asks"
                f" (it can {', '.join(roles) or 'nothing'}); choose {group}= one of {', '.join(able) or 'none here'}"
            )


def _check_heads(config: Config) -> None:
    """Refuse self-attention whose heads cannot share the width."""
    net = config["net"]
    width, heads = net.get("width"), net.get("heads")
    if "position" in net and isinstance(width, int) and isinstance(heads, int) and width % heads:
        near = [n for n in (width - width % heads, width - width % heads + heads) if n > 0]
        raise QuartetError(
            f"net.heads: {heads} heads cannot share net.width={width}; take net.width={' or '.join(map(str, near))}"
        )


def _check_kind(config: Config) -> None:
    """Refuse an unknown kind of data, and a kind that the task does not accept."""
    kind, accepts = _kind(config), _constant_of(config["task"], "ACCEPTS")
    if kind is not None and signature(kind_path(kind)) is None:
        raise QuartetError(
            f"data.source: {_class_name(config['data']['source'])}.KIND is {kind}, and there is no such class; "
            f"set it to one of {', '.join(SHIPPED)}, or to the full path of a class"
        )
    taken_as = {kind, *_kind_constants(config).get("LIKE", ())}
    if kind is not None and accepts and taken_as.isdisjoint(accepts):
        able = [name for name in options("task") if not taken_as.isdisjoint(_constant("task", name, "ACCEPTS"))]
        raise QuartetError(
            f"data: {config['data']['name']} holds {kind}, "
            f"task {_class_name(config['task'])} needs {' or '.join(accepts)}; "
            f"choose other data, or task= one of {', '.join(able) or 'none here'}"
        )


def _check_method(config: Config) -> None:
    """Refuse a method that does not train the task."""
    needs, method = _constant_of(config["task"], "METHOD"), _class_name(config["method"]).lower()
    if needs and method != needs:
        raise QuartetError(
            f"method: task {_class_name(config['task'])} is trained by method={needs}, given {method}; "
            f"add method={needs}"
        )


def _check_precision(config: Config) -> None:
    """Refuse 16-bit floating point on a CPU."""
    trainer = config["trainer"]
    if trainer["accelerator"] == "cpu" and trainer["precision"] == "16-mixed":
        raise QuartetError(
            "trainer.precision: 16-mixed needs a GPU, given trainer.accelerator=cpu; take 32-true or bf16-mixed there"
        )


def _check_penalty(config: Config) -> None:
    """Refuse a gradient penalty with a synchronised batch norm, which has no second derivative."""
    method, trainer = config["method"], config["trainer"]
    shared = trainer["devices"] > 1 and trainer["sync_batch_norm"]
    for setting, name in (_constant_of(method, "SECOND_ORDER") or {}).items():
        norm = f"{name}_norm"
        if method.get(setting) and shared and {**config["net"], **(method.get(name) or {})}.get(norm) == "batch":
            raise QuartetError(
                f"method.{setting}: given {method[setting]}, but its gradient cannot pass a batch norm that devices "
                f"share; take trainer.sync_batch_norm=false or method.{name}.{norm}=group"
            )


def _check_shares(config: Config) -> None:
    """Refuse a batch that cannot be split equally over devices and micro-batches."""
    trainer, accumulate = config["trainer"], config["method"].get("accumulate_grad_batches", 1)
    shares = trainer["devices"] * accumulate
    group = _kind_constants(config).get("GROUP")
    if group is not None:
        size, key, unit = group, "trainer.devices", f"groups of {group} {_kind(config)}"
    else:
        size, key = config["data"]["loading"].get("batch_size"), "data.loading.batch_size"
        unit = f"a batch of {size}"
    if not isinstance(size, int) or size % shares == 0:
        return
    near = [n for n in (size - size % shares, size - size % shares + shares) if n > 0]
    remedy = f"take {' or '.join(map(str, near))}" if group is None else f"make these divide {group}"
    raise QuartetError(
        f"{key}: {unit} cannot be shared by {trainer['devices']} devices × {accumulate}"
        f" micro-batches (method.accumulate_grad_batches); {remedy}"
    )


def _kind(config: Config) -> str | None:
    """Return the kind of the data, as "images"; None where the source does not say."""
    kind = _constant_of(config["data"]["source"], "KIND")
    return None if kind is None else str(kind)


def _kind_constants(config: Config) -> dict[str, Any]:
    """Return the constants of the class of the data's kind."""
    return constants(kind_path(_kind(config) or ""))


def _constant_of(node: Config, name: str) -> Any:
    """Return a constant of the class that a mapping's `_target_` names; None where it has none."""
    return constants(str(node.get("_target_"))).get(name)


def _constant(group: str, option: str, name: str) -> Any:
    """Return a constant of the class that an option of conf/ names; () where it has none."""
    return constants(target(group, option)).get(name, ())


def _class_name(node: Config) -> str:
    return str(node["_target_"]).rpartition(".")[2]
