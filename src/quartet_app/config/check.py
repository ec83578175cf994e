"""Check that a resolved config can run, before anything heavy is imported.

Reads constructors from their source, so that a new net, task or data set needs no code here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from quartet.budget import Budget
from quartet.renamed import new_name
from quartet.types import QuartetError, check_name
from quartet_app.config.annotations import describe, fits
from quartet_app.config.combinations import check_combinations
from quartet_app.config.options import options
from quartet_app.config.ranges import check_ranges
from quartet_app.config.resolved import Config
from quartet_app.config.signatures import Signature, signature
from quartet_app.near import did_you_mean

# The keys that this application reads itself, by section. Every other key is a keyword of a `_target_`.
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
    check_name(config["experiment"], "experiment")
    check_name(config["data"]["name"], "data.name")
    check_ranges(config)
    for key in ("budget", "validate_every"):
        Budget.parse(config[key], key=key)
    check_combinations(config)


def _check_chosen(config: Config) -> None:
    """Refuse a config that lacks a group."""
    for key in PARTS[""]:
        if not isinstance(config.get(key), dict):
            fault = "not chosen" if config.get(key) is None else f"{config[key]!r} is no choice"
            raise QuartetError(f"{key}: {fault}; add {key}=<name>, one of {', '.join(options(key))}")


def _check_settings(node: Config, kinds: dict[str, str], parts: Iterable[str], *, prefix: str) -> None:
    """Refuse an unknown, missing or mistyped key of a mapping without a `_target_`."""
    known = [*kinds, *parts]
    for key in node:
        if key not in known:
            raise QuartetError(f"{_join(prefix, key)}: no such key; {did_you_mean(key, known, prefix=_dotted(prefix))}")
    for key, kind in kinds.items():
        if key not in node:
            raise QuartetError(f"{_join(prefix, key)}: not given; it takes {describe(_parsed(kind), None)}")
        _check_type(node[key], _parsed(kind), None, _join(prefix, key))


def _check_target(node: Any, key: str) -> None:
    """Refuse a mapping whose `_target_` does not exist, or does not take its keys and values."""
    if not isinstance(node, dict) or "_target_" not in node:
        raise QuartetError(f"{key}: given {node!r}, needs a mapping with a _target_; see conf/{key.split('.')[0]}/")
    takes = signature(str(node["_target_"]))
    if takes is None:
        raise QuartetError(f"{key}._target_: there is no {node['_target_']}; name a class or function by its full path")
    # A method's net is no keyword of the method: the model is built of it first, and the method gets the model.
    nets = takes.constants.get("NETS", {}) if key == "method" else {}
    keywords = [name for name in node if name not in (*RESERVED, *nets)]
    for name in keywords:
        _check_keyword(node[name], name, takes, key)
    missing = [name for name, p in takes.parameters.items() if p.required and name not in node]
    if missing and not node.get("_partial_"):
        needed = describe(takes.parameters[missing[0]].annotation, takes.parameters[missing[0]].module)
        raise QuartetError(f"{key}.{missing[0]}: not given; {takes.name} needs {needed}")
    for name in nets:
        _check_target(node.get(name), f"{key}.{name}")


def _check_keyword(value: Any, name: str, takes: Signature, key: str) -> None:
    """Refuse a keyword that the target does not take, and a value of a wrong type."""
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
    """Refuse the value at `path` where it does not fit an annotation that was read from the source of `module`."""
    if not fits(value, annotation, module):
        raise QuartetError(f"{path}: given {_shown(value)}, needs {describe(annotation, module)}")


def _select(config: Config, key: str) -> Any:
    """Return the value at a dotted `key`; None where there is none."""
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _parsed(kind: str) -> ast.expr:
    """Return a type of SETTINGS as the syntax tree of an annotation."""
    return ast.parse(kind, mode="eval").body


def _join(prefix: str, key: str) -> str:
    return f"{_dotted(prefix)}{key}"


def _dotted(prefix: str) -> str:
    return f"{prefix}." if prefix else ""


def _shown(value: Any) -> str:
    """Return a value as YAML would write it, shortened to 58 characters."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) < 60 else text[:57] + "…"
