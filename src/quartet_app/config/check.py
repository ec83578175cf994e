"""Whether a resolved config can run, said before anything heavy is imported.

Constructors are read from their source, so that a new net, task or data set is checked without a word here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from quartet.budget import Budget
from quartet.renamed import new_name
from quartet.types import QuartetError
from quartet_app.config.annotations import describe, fits
from quartet_app.config.check_data import check_kind, check_shares
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
# A player is no keyword of its method: the pipeline builds the model and hands that over.
PLAYERS = {"method": ("discriminator",)}
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
    check_kind(config)
    _check_method(config)
    _check_precision(config)
    _check_penalty(config)
    check_shares(config)
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
    keywords = [name for name in node if name not in (*RESERVED, *PLAYERS.get(key, ()))]
    for name in keywords:
        _check_keyword(node[name], name, takes, key)
    missing = [name for name, p in takes.parameters.items() if p.required and name not in node]
    if missing and not node.get("_partial_"):
        what = describe(takes.parameters[missing[0]].annotation, takes.parameters[missing[0]].module)
        raise QuartetError(f"{key}.{missing[0]}: not given; {takes.name} needs {what}")
    for player in PLAYERS.get(key, ()):
        if player in node:
            _check_target(node[player], f"{key}.{player}")


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
    """The net, and the discriminator where there is one, can do what they are asked."""
    task = signature(config["task"]["_target_"])
    asked = [("net", config["net"], task.constants.get("ROLE") if task else None)]
    if "discriminator" in config["method"]:
        asked.append(("method.discriminator", config["method"]["discriminator"], "discriminate"))
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
    """The penalty is a gradient of a gradient, which batch norm over several processes does not give."""
    method, trainer = config["method"], config["trainer"]
    critic = {**config["net"], **(method.get("discriminator") or {})}
    shared = trainer["devices"] > 1 and trainer["sync_batch_norm"]
    if method.get("r1") and shared and critic.get("discriminator_norm") == "batch":
        raise QuartetError(
            f"method.r1: given {method['r1']}, but its gradient does not pass a batch norm that devices share; "
            "take trainer.sync_batch_norm=false or method.discriminator.discriminator_norm=group"
        )


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
