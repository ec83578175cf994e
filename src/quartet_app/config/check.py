"""Whether a resolved config can run, said before anything heavy is imported.

Constructors are read from their source, so that a new net, task or data set is checked without a word here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from quartet.budget import Budget
from quartet.data.loading.kinds import SHIPPED, kind_path
from quartet.renamed import new_name
from quartet.types import QuartetError
from quartet_app.config.annotations import describe, fits
from quartet_app.config.options import options, target
from quartet_app.config.ranges import check_ranges
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import Signature, constants, signature
from quartet_app.near import did_you_mean

# The tree's own keys, and the settings that pipelines read themselves: everything else is some target's keyword.
SETTINGS = {
    "": {
        "experiment": "str",
        "profile": "str",
        "seed": "int",
        "budget": "str | int | float",
        "validate_every": "str | int | float",
        "out": "str | None",
        "tuned_from": "str | None",
    },
    "trainer": {
        "accelerator": "Literal['auto', 'cpu', 'gpu']",
        "devices": "int",
        "precision": "Literal['32-true', 'bf16-mixed', '16-mixed', '64-true']",
        "compile": "bool",
        "sync_batch_norm": "bool",
        "deterministic": "bool",
        "threads": "int | None",
        "log_every": "int",
        "progress": "bool",
    },
    "data": {"name": "str"},
    "match": {"parameters": "int | float | None", "flops": "int | float | None"},
}
TARGETS = ("net", "task", "method", "optimizer", "schedule", "launcher", "tracking")
PARTS = {"": (*TARGETS, "data", "trainer", "match"), "data": ("source", "loading"), "trainer": (), "match": ()}
RESERVED = ("_target_", "_partial_", "_recursive_", "_convert_")


def check(config: Config) -> None:
    """Raise QuartetError, in one or two lines that name the key, for the first thing in `config` that cannot work."""
    _check_chosen(config)
    for prefix, kinds in SETTINGS.items():
        _check_settings(config[prefix] if prefix else config, kinds, PARTS[prefix], prefix=prefix)
    for key in (*TARGETS, "data.source", "data.loading"):
        _check_target(_select(config, key), key)
    check_ranges(config)
    for key in ("budget", "validate_every"):
        Budget.parse(config[key], key=key)
    _check_roles(config)
    _check_heads(config)
    _check_kind(config)
    _check_method(config)
    _check_precision(config)
    _check_penalty(config)
    _check_shares(config)
    if all(config["match"].values()):
        raise QuartetError("match: parameters and flops are both given, but a net has one width; give one of them")


def _check_chosen(config: Config) -> None:
    for key in PARTS[""]:
        if not isinstance(config.get(key), dict):
            given = "not chosen" if config.get(key) is None else f"{config[key]!r} is no choice"
            raise QuartetError(f"{key}: {given}; add {key}=<name>, one of {', '.join(options(key))}")


def _check_settings(node: Config, kinds: dict[str, str], parts: Iterable[str], *, prefix: str) -> None:
    """A mapping that is no target: each key known and of its type, none missing."""
    known = [*kinds, *parts]
    for key in node:
        if key not in known:
            raise QuartetError(f"{_join(prefix, key)}: no such key; {did_you_mean(key, known, prefix=_dotted(prefix))}")
    for key, kind in kinds.items():
        if key not in node:
            raise QuartetError(f"{_join(prefix, key)}: not given; it takes {describe(_parsed(kind), None)}")
        _check_type(node[key], _parsed(kind), None, _join(prefix, key))


def _check_target(node: Any, key: str) -> None:
    """A mapping that makes something: `_target_` exists, and takes each of the other keys as it is given."""
    if not isinstance(node, dict) or "_target_" not in node:
        raise QuartetError(f"{key}: given {node!r}, needs a mapping with a _target_; see conf/{key.split('.')[0]}/")
    takes = signature(str(node["_target_"]))
    if takes is None:
        raise QuartetError(f"{key}._target_: there is no {node['_target_']}; name a class or function by its full path")
    # A net is no keyword of its method: the model is built of it before, and handed over.
    nets = takes.constants.get("NETS", {}) if key == "method" else {}
    keywords = [name for name in node if name not in (*RESERVED, *nets)]
    for name in keywords:
        _check_keyword(node[name], name, takes, key)
    missing = [name for name, p in takes.parameters.items() if p.required and name not in node]
    if missing and not node.get("_partial_"):
        what = describe(takes.parameters[missing[0]].annotation, takes.parameters[missing[0]].module)
        raise QuartetError(f"{key}.{missing[0]}: not given; {takes.name} needs {what}")
    for name in nets:
        _check_target(node.get(name), f"{key}.{name}")


def _check_keyword(value: Any, name: str, takes: Signature, key: str) -> None:
    path = f"{key}.{name}"
    if name not in takes.parameters:
        if takes.open:
            return
        if new := new_name(path):
            raise QuartetError(f"{path}: renamed; it is {new} now")
        hint = did_you_mean(name, takes.parameters, prefix=f"{key}.")
        hint += f"; if the experiment set it for another net, add ~{path}" if key == "net" else ""
        raise QuartetError(f"{path}: {takes.name} takes no such key; {hint}")
    parameter = takes.parameters[name]
    _check_type(value, parameter.annotation, parameter.module, path)
    if isinstance(value, dict) and "_target_" in value:
        _check_target(value, path)


def _check_type(value: Any, annotation: ast.expr | None, module: Any, path: str) -> None:
    if not fits(value, annotation, module):
        raise QuartetError(f"{path}: given {_shown(value)}, needs {describe(annotation, module)}")


def _check_roles(config: Config) -> None:
    """The net, and those that the method has beside it, can do what they are asked."""
    role = _constant_of(config["task"], "NET_ROLE") or _constant_of(config["task"], "ROLE")
    beside = (_constant_of(config["method"], "NETS") or {}).items()
    asked = [("net", config["net"], role), *((f"method.{name}", config["method"][name], does) for name, does in beside)]
    for key, net, role in asked:
        made = signature(net["_target_"])
        roles = made.constants.get("ROLES", ()) if made else ()
        if role is not None and role not in roles:
            able = [name for name in options("net") if role in _constant("net", name, "ROLES")]
            group = "net" if key == "net" else f"net@{key}"
            raise QuartetError(
                f"{key}: {_class_name(net)} cannot {role}, as task {_class_name(config['task'])} asks"
                f" (it can {', '.join(roles) or 'nothing'}); choose {group}= one of {', '.join(able) or 'none here'}"
            )


def _check_heads(config: Config) -> None:
    """Heads of attention to oneself share the width."""
    net = config["net"]
    width, heads = net.get("width"), net.get("heads")
    if "position" in net and isinstance(width, int) and isinstance(heads, int) and width % heads:
        near = [n for n in (width - width % heads, width - width % heads + heads) if n > 0]
        raise QuartetError(
            f"net.heads: {heads} heads cannot share net.width={width}; take net.width={' or '.join(map(str, near))}"
        )


def _check_kind(config: Config) -> None:
    """The kind of data is one, and the task works on it."""
    kind, accepts = _kind(config), _constant_of(config["task"], "ACCEPTS")
    if kind is not None and signature(kind_path(kind)) is None:
        raise QuartetError(
            f"data.source: {_class_name(config['data']['source'])}.KIND is {kind}, and there is no such class; "
            f"one of {', '.join(SHIPPED)}, or the full path of a class, would do"
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
    """The task is trained by this method."""
    needs, given = _constant_of(config["task"], "METHOD"), _class_name(config["method"]).lower()
    if needs and given != needs:
        raise QuartetError(
            f"method: task {_class_name(config['task'])} is trained by method={needs}, given {given}; "
            f"add method={needs}"
        )


def _check_precision(config: Config) -> None:
    trainer = config["trainer"]
    if trainer["accelerator"] == "cpu" and trainer["precision"] == "16-mixed":
        raise QuartetError(
            "trainer.precision: 16-mixed needs a GPU, given trainer.accelerator=cpu; take 32-true or bf16-mixed there"
        )


def _check_penalty(config: Config) -> None:
    """A gradient of a gradient is not given by batch norm over several processes."""
    method, trainer = config["method"], config["trainer"]
    shared = trainer["devices"] > 1 and trainer["sync_batch_norm"]
    for setting, name in (_constant_of(method, "SECOND_ORDER") or {}).items():
        norm = f"{name}_norm"
        if method.get(setting) and shared and {**config["net"], **(method.get(name) or {})}.get(norm) == "batch":
            raise QuartetError(
                f"method.{setting}: given {method[setting]}, but its gradient does not pass a batch norm that devices "
                f"share; take trainer.sync_batch_norm=false or method.{name}.{norm}=group"
            )


def _check_shares(config: Config) -> None:
    """Devices and their micro-batches share a batch without a remainder."""
    trainer, accumulate = config["trainer"], config["method"].get("accumulate_grad_batches", 1)
    shares = trainer["devices"] * accumulate
    group = _kind_constants(config).get("GROUP")
    if group is not None:
        size, key, what = group, "trainer.devices", f"groups of {group} {_kind(config)}"
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


def _kind(config: Config) -> str | None:
    kind = _constant_of(config["data"]["source"], "KIND")
    return None if kind is None else str(kind)


def _kind_constants(config: Config) -> dict[str, Any]:
    """The constants of the class of this kind of data."""
    return constants(kind_path(_kind(config) or ""))


def _constant_of(node: Config, name: str) -> Any:
    return constants(str(node.get("_target_"))).get(name)


def _constant(group: str, option: str, name: str) -> Any:
    """A class constant of what an option of conf/ makes, () where it cannot be told."""
    return constants(target(group, option)).get(name, ())


def _class_name(node: Config) -> str:
    return str(node["_target_"]).rpartition(".")[2]


def _select(config: Config, key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _parsed(kind: str) -> ast.expr:
    return ast.parse(kind, mode="eval").body


def _join(prefix: str, key: str) -> str:
    return f"{_dotted(prefix)}{key}"


def _dotted(prefix: str) -> str:
    return f"{prefix}." if prefix else ""


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) < 60 else text[:57] + "…"
