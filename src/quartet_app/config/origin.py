"""Show which files and overrides give a key of the configuration its value; the last one wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode

from quartet.types import QuartetError
from quartet_app.config.composing import compose, hydra_ready
from quartet_app.config.options import option_file
from quartet_app.config.project import CONF, project
from quartet_app.config.resolved import Config, load_config, override_config
from quartet_app.near import did_you_mean

COMMAND_LINE = "command line"
MISSING = "???"  # OmegaConf's mark for a value that another layer must give


@dataclass(frozen=True)
class Layer:
    """Hold one place that gives a key a value: a file of conf/ or the command line. `value` is as written there."""

    place: str
    value: Any


def explain_keys(arguments: Sequence[str], keys: Sequence[str]) -> str:
    """Return a paragraph for each plain value at or below `keys`: the value, and its layers, the winner last.

    Raises QuartetError for a key that the configuration of `arguments` does not have.
    """
    if arguments and arguments[0].endswith((".yaml", ".yml")):
        config = override_config(load_config(Path(arguments[0])), arguments[1:])
        sources = [(arguments[0], "", load_config(Path(arguments[0])))]
        overrides = OverridesParser.create().parse_overrides(list(arguments[1:]))
    else:
        config = compose(arguments)
        sources, overrides = list(files(arguments)), OverridesParser.create().parse_overrides(list(arguments))
    leaves = [leaf for key in keys for leaf in leaves_of(config, key)]
    return "\n\n".join(paragraph(leaf, select(config, leaf), layers(leaf, sources, overrides)) for leaf in leaves)


def files(overrides: Sequence[str]) -> Iterator[tuple[str, str, Config]]:
    """Yield path, package and content of each file of conf/ that the overrides choose, in the order of composition."""
    with hydra_ready():
        loader = GlobalHydra.instance().config_loader()
        chosen = loader.compute_defaults_list("config", overrides=list(overrides), run_mode=RunMode.RUN).defaults
    for default in chosen:
        group, _, option = str(default.config_path).rpartition("/")
        path = option_file(group, option)
        if path is not None:
            package = "" if default.package in (None, "_global_") else str(default.package)
            yield shown(path), package, yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def layers(leaf: str, sources: Sequence[tuple[str, str, Config]], overrides: Sequence[Override]) -> list[Layer]:
    """Return the places that give `leaf` a value, the winner last."""
    found = []
    for place, package, content in sources:
        below = leaf.removeprefix(f"{package}.") if package else leaf
        if package and below == leaf:
            continue
        value = select(content, below)
        if value is not None or holds(content, below):
            found.append(Layer(place, value))
    for override in overrides:
        key = str(override.key_or_group)
        if override.is_hydra_override() or not (leaf == key or leaf.startswith(f"{key}.")):
            continue
        value = override.value()
        inner = select(value, leaf.removeprefix(key).lstrip(".")) if isinstance(value, dict) else value
        if leaf == key or isinstance(value, dict):
            found.append(Layer(COMMAND_LINE, inner))
    return found


def leaves_of(config: Config, key: str) -> list[str]:
    """Return the full names of the plain values at or below `key`; QuartetError where there is no such key."""
    if not holds(config, key):
        parent, _, name = key.rpartition(".")
        known = select(config, parent) if parent else config
        names = known if isinstance(known, dict) else {}
        prefix = f"{parent}." if parent else ""
        raise QuartetError(f"{key}: no such key; {did_you_mean(name, names, prefix=prefix)}")
    value = select(config, key)
    if not isinstance(value, dict) or not value:
        return [key]
    return [leaf for name in value for leaf in leaves_of(config, f"{key}.{name}")]


def paragraph(leaf: str, value: Any, found: Sequence[Layer]) -> str:
    """Return the text about one key: its value, and a line for each layer. A key without layers is computed."""
    wide = max((len(layer.place) for layer in found), default=0)
    lines = [f"{leaf}: {written(value)}"]
    for number, layer in enumerate(found, 1):
        mark = "   ← wins" if number == len(found) and len(found) > 1 else ""
        lines.append(f"  {layer.place:{wide}}  {written(layer.value)}{mark}")
    return "\n".join(lines if found else [*lines, "  computed from other keys"])


def select(node: Any, key: str) -> Any:
    """Return the value at a dotted `key` of nested mappings, None where there is none; "" is the whole."""
    for part in key.split(".") if key else ():
        node = node.get(part) if isinstance(node, dict) else None
    return node


def holds(node: Any, key: str) -> bool:
    """Return True where nested mappings have the dotted `key`, even with the value None."""
    parent, _, name = key.rpartition(".")
    found = select(node, parent)
    return isinstance(found, dict) and name in found


def written(value: Any) -> str:
    """Return a value as YAML on one line."""
    if value == MISSING:
        return "to be given"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def shown(path: Path) -> str:
    """Return a path of conf/ relative to the project, or to the checkout of this code."""
    root = next((root for root in (project(), CONF.parent) if path.is_relative_to(root)), None)
    return path.relative_to(root).as_posix() if root else str(path)
