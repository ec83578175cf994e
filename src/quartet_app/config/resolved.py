"""Save, load, override and hash a resolved configuration.

A `Config` is made of plain containers and means the same without Hydra, in any process. `composing` makes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from quartet.renamed import upgraded
from quartet.types import QuartetError
from quartet_app.config.containers import walk
from quartet_app.config.errors import explain
from quartet_app.config.trust import check_file
from quartet_app.files import make_folder, write_text

Config = dict[str, Any]

# Keys without influence on a result, such as where data comes from and where results go. They are not hashed.
OUTSIDE_HASH = ("out", "launcher", "tracking", "profile", "tuned_from", "trainer.progress", "data.source.mirror")


def resolve(config: DictConfig) -> Config:
    """Return `config` as plain containers, without Hydra's own section and with all interpolations replaced.

    Raises OmegaConf's errors for a missing value or an interpolation that fails.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    resolved = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def save_config(config: Config, path: Path, *, header: Iterable[str] = ()) -> None:
    """Write `config` as YAML, below `header` as comments. The same configuration makes the same bytes."""
    make_folder(path.parent)
    comment = "".join(f"# {line}\n" for line in header)
    # OmegaConf's dumper quotes a text such as "1e5", which its loader would read as a number.
    write_text(path, comment + OmegaConf.to_yaml(OmegaConf.create(config)))


def load_config(path: Path, *, interpolations: bool = False) -> Config:
    """Read a file that `save_config` wrote; QuartetError where it is missing or no mapping.

    Such a file holds plain values. An interpolation, as ${oc.env:NAME}, would put what it likes of this machine into
    results, and is refused; `interpolations=True` is for files that the person who runs the command writes.
    """
    try:
        loaded = OmegaConf.load(path)
        if not interpolations:
            _refuse_interpolations(OmegaConf.to_container(loaded), path)
        found = OmegaConf.to_container(loaded, resolve=True, throw_on_missing=True)
    except QuartetError:
        raise
    except Exception as error:
        said = explain(error)
        raise QuartetError(said if said.startswith(str(path)) else f"{path}: {said}") from error
    if not isinstance(found, dict):
        raise QuartetError(f"{path}: a resolved configuration is a mapping, this is a {type(found).__name__}")
    return {str(key): value for key, value in found.items()}


def load_resolved(path: Path) -> Config:
    """Read a resolved configuration to train; QuartetError where it names what a file may not, see `trust`."""
    config = load_config(path)
    check_file(config, path)
    return config


def _refuse_interpolations(content: Any, path: Path) -> None:
    """Refuse a text with ${…} in nested containers."""
    for key, value in walk(content):
        if isinstance(value, str) and "${" in value:
            raise QuartetError(f"{path}: {key}: given {value!r}; a resolved file holds plain values, write it out")


def load_run_config(folder: Path) -> Config:
    """Read the configuration of a run in `folder`. Keys that were renamed since get their new names.

    Raises QuartetError where it names what a file may not; see `trust`. The launcher is not asked: no command that
    reads a run's folder by this function starts workers.
    """
    path = folder / "config.yaml"
    config = upgraded(load_config(path))
    check_file({key: value for key, value in config.items() if key != "launcher"}, path)
    return config


def override_config(config: Config, overrides: Iterable[str]) -> Config:
    """Return a copy of `config` with the `key=value` overrides applied; QuartetError for a key that it lacks."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import OverrideType

    changed = OmegaConf.create(config)
    OmegaConf.set_struct(changed, True)
    try:
        for parsed in OverridesParser.create().parse_overrides(list(overrides)):
            if parsed.type is not OverrideType.CHANGE or parsed.package or parsed.is_sweep_override():
                raise QuartetError(f"{parsed.input_line}: a resolved file takes only key=value, with a key that it has")
            OmegaConf.update(changed, parsed.key_or_group, parsed.value())
        return resolve(changed)
    except Exception as error:
        raise QuartetError(explain(error)) from error


def config_hash(config: Config) -> str:
    """Return the SHA-256 (hex) of `config` as canonical JSON, without the keys in OUTSIDE_HASH."""
    hashed = json.loads(json.dumps(config))
    for key in OUTSIDE_HASH:
        *parents, last = key.split(".")
        node: Any = hashed
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(last, None)
    canonical = json.dumps(hashed, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
