"""Composing conf/ into a resolved tree: plain containers that mean the same without Hydra, in any process."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from pipelines.refusals import explain
from quartet.types import QuartetError

Tree = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parents[1]
CONF = REPOSITORY / "conf"
HYDRA_VERSION = "1.3"
# These say where something comes from or is shown, not what is computed: two runs that differ in them are one.
OUTSIDE_HASH = ("out", "launcher", "tracking", "profile", "tuned_from", "trainer.progress", "data.source.mirror")


def home() -> Path:
    """Where the tables of one project keep what they share: the repository from a folder in it, else where one is."""
    here = Path.cwd()
    return REPOSITORY if here != REPOSITORY and here.is_relative_to(REPOSITORY) else Path()


def compose(overrides: Iterable[str]) -> Tree:
    """The resolved tree of the command line `overrides`; QuartetError when they do not compose."""
    import hydra

    words = list(overrides)
    if not any(word.startswith(("experiment=", "sweep=")) for word in words):
        raise QuartetError(f"experiment: not given; add experiment=<name>, one of {', '.join(files('experiment'))}")
    try:
        with hydra.initialize_config_dir(str(CONF), version_base=HYDRA_VERSION):
            return resolve(hydra.compose("config", overrides=words))
    except Exception as error:
        raise QuartetError(explain(error)) from error


def compose_group(group: str, option: str) -> Tree:
    """One option of one group alone, such as a data set to prepare; QuartetError when there is none."""
    import hydra

    try:
        with hydra.initialize_config_dir(str(CONF), version_base=HYDRA_VERSION):
            return resolve(hydra.compose(overrides=[f"+{group}={option}"]))[group]  # type: ignore[no-any-return]
    except Exception as error:
        raise QuartetError(explain(error)) from error


def resolve(config: DictConfig) -> Tree:
    """Plain containers without Hydra's own section, all interpolations replaced.

    Raises omegaconf's errors for what is missing or cannot be interpolated.
    """
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    resolved = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def save(tree: Tree, path: Path, *, header: Iterable[str] = ()) -> None:
    """Write `tree` as YAML below `header` as comments; the same tree makes the same text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    comment = "".join(f"# {line}\n" for line in header)
    # OmegaConf's dumper quotes each text that its loader would take for a number.
    path.write_text(comment + OmegaConf.to_yaml(OmegaConf.create(tree)), encoding="utf-8")


def load(path: Path) -> Tree:
    """The tree that `save` wrote; QuartetError when there is none."""
    try:
        tree = OmegaConf.to_container(OmegaConf.load(path), resolve=True, throw_on_missing=True)
    except Exception as error:
        raise QuartetError(f"{path}: {explain(error)}") from error
    if not isinstance(tree, dict):
        raise QuartetError(f"{path}: a resolved configuration is a mapping, this is a {type(tree).__name__}")
    return {str(key): value for key, value in tree.items()}


def override(tree: Tree, overrides: Iterable[str]) -> Tree:
    """A copy of the resolved `tree` with `key=value` applied; only keys that it has."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import OverrideType

    config = OmegaConf.create(tree)
    OmegaConf.set_struct(config, True)
    try:
        for parsed in OverridesParser.create().parse_overrides(list(overrides)):
            if parsed.type is not OverrideType.CHANGE or parsed.package or parsed.is_sweep_override():
                raise QuartetError(f"{parsed.input_line}: a resolved file takes only key=value, with a key that it has")
            OmegaConf.update(config, parsed.key_or_group, parsed.value())
        return resolve(config)
    except Exception as error:
        raise QuartetError(explain(error)) from error


def config_hash(tree: Tree) -> str:
    """SHA-256 (hex) of what is computed: of the tree's canonical JSON, less what says where it is kept or shown."""
    kept = json.loads(json.dumps(tree))
    for key in OUTSIDE_HASH:
        *parents, last = key.split(".")
        node: Any = kept
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(last, None)
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def files(group: str) -> list[str]:
    """The options of a group that have a file in conf/."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def options(group: str) -> list[str]:
    """What there is to choose from in a group of conf/."""
    return sorted({*files(group), *cells()}) if group == "experiment" else files(group)


def cells() -> dict[str, Tree]:
    """The cells of the grid, <line>_<net>, that have no file of their own, each as its file would be."""
    found = {}
    for line in files("experiment/grid"):
        text = (CONF / "experiment" / "grid" / f"{line}.yaml").read_text(encoding="utf-8")
        rivals = re.search(r"^ *- override /method: adversarial *$", text, re.M)
        players = ["net", "net@method.discriminator"] if rivals else ["net"]
        for net in files("net"):
            nets = [{f"override /{player}": net} for player in players]
            found[f"{line}_{net}"] = {"defaults": [{"grid": line}, *nets], "experiment": f"{line}_{net}"}
    return {name: found[name] for name in found.keys() - files("experiment")}


def _register(experiments: dict[str, Tree]) -> None:
    """Have Hydra take them for files of conf/experiment/."""
    for name, content in experiments.items():
        ConfigStore.instance().store(name, content, group="experiment", package="_global_", provider="grid")


_register(cells())


def tuning_trials(tree: Tree) -> int:
    """How many trials found what `tree` was tuned by, as the file of conf/tuned/ says; 0 where it was not tuned."""
    found = tree.get("tuned_from")
    for path in (CONF / "tuned").glob("*.yaml") if found else ():
        count = re.search(r"^# study: .*?(\d+) trials", path.read_text(encoding="utf-8"), re.M)
        if count and load(path).get("tuned_from") == found:
            return int(count[1])
    return 0


def groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def target(group: str, option: str) -> str:
    """The `_target_` that an option's file names, '' when it names none."""
    text = (CONF / group / f"{option}.yaml").read_text(encoding="utf-8")
    found = re.search(r"^_target_:\s*([\w.]+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def headline(group: str, option: str) -> str:
    """The first comment of an option's file that a person reads, '' when there is none."""
    lines = (CONF / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comments = (line.lstrip("# ").strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if comment and not comment.startswith("@package")), "")
