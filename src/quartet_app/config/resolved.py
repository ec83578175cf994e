"""The resolved configuration: plain containers that mean the same without Hydra, in any process.

`Config` is the one word for it. It is saved, loaded, overridden and hashed here; `composing` makes it.
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
from quartet_app.config.errors import explain

Config = dict[str, Any]

# These say where something comes from or is shown, not what is computed: two runs that differ in them are one.
OUTSIDE_HASH = ("out", "launcher", "tracking", "profile", "tuned_from", "trainer.progress", "data.source.mirror")


def resolve(config: DictConfig) -> Config:
    """Return plain containers without Hydra's own section, all interpolations replaced.

    Raises omegaconf's errors for what is missing or cannot be interpolated.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    resolved = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def save_config(config: Config, path: Path, *, header: Iterable[str] = ()) -> None:
    """Write `config` as YAML below `header` as comments; the same configuration makes the same text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    comment = "".join(f"# {line}\n" for line in header)
    # OmegaConf's dumper quotes each text that its loader would take for a number.
    path.write_text(comment + OmegaConf.to_yaml(OmegaConf.create(config)), encoding="utf-8")


def load_config(path: Path) -> Config:
    """Read what `save_config` wrote; QuartetError when there is none."""
    try:
        found = OmegaConf.to_container(OmegaConf.load(path), resolve=True, throw_on_missing=True)
    except Exception as error:
        raise QuartetError(f"{path}: {explain(error)}") from error
    if not isinstance(found, dict):
        raise QuartetError(f"{path}: a resolved configuration is a mapping, this is a {type(found).__name__}")
    return {str(key): value for key, value in found.items()}


def load_run_config(folder: Path) -> Config:
    """Read the configuration of a run in `folder`, old or new, by the names that its keys have now."""
    return upgraded(load_config(folder / "config.yaml"))


def override_config(config: Config, overrides: Iterable[str]) -> Config:
    """Return a copy of `config` with `key=value` applied; only keys that it has."""
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
    """Return the SHA-256 (hex) of what is computed: the canonical JSON, less what says where it is kept or shown."""
    kept = json.loads(json.dumps(config))
    for key in OUTSIDE_HASH:
        *parents, last = key.split(".")
        node: Any = kept
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(last, None)
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
