"""List the options of each group in conf/, the user's own options and the shipped ones."""

from __future__ import annotations

import re
from pathlib import Path

from hydra.core.config_store import ConfigStore

from quartet_app.config.project import conf_folders
from quartet_app.config.resolved import Config, load_config
from quartet_app.config.signatures import signature


def option_file(group: str, option: str) -> Path | None:
    """Return the file of an option, preferring the user's own; None where there is no such option."""
    found = (folder / group / f"{option}.yaml" for folder in conf_folders())
    return next((path for path in found if path.is_file()), None)


def option_files(group: str) -> list[str]:
    """Return the options of a group that have a file."""
    return sorted({path.stem for folder in conf_folders() for path in (folder / group).glob("*.yaml")})


def options(group: str) -> list[str]:
    """Return all options of a group; for experiments also the implied ones, such as mnist1d_mlp."""
    return sorted({*option_files(group), *implied_experiments()}) if group == "experiment" else option_files(group)


def groups() -> list[str]:
    """Return the names of all groups of conf/ of which a run takes options: all but the findings, which name runs."""
    found = {path.name for folder in conf_folders() for path in folder.iterdir() if path.is_dir()}
    return sorted(found - {"finding"})


def implied_experiments() -> dict[str, Config]:
    """Return the experiments `<line>_<net>` that have no file, by name, each with the content that its file would have.

    A line of the grid (conf/experiment/grid/) and a net (conf/net/) together imply such an experiment.
    """
    found = {}
    for line in option_files("experiment/grid"):
        method = re.search(r"^ *- override /method: (\w+) *$", _text("experiment/grid", line), re.M)
        roles = ["net", *(f"net@method.{name}" for name in (extra_net_keys(method[1]) if method else ()))]
        for net in option_files("net"):
            nets = [{f"override /{role}": net} for role in roles]
            found[f"{line}_{net}"] = {"defaults": [{"grid": line}, *nets], "experiment": f"{line}_{net}"}
    return {name: found[name] for name in found.keys() - option_files("experiment")}


def extra_net_keys(method: str) -> list[str]:
    """Return the keys of the nets that an option of conf/method/ needs in addition to `net`."""
    definition = signature(target("method", method))
    return list(definition.constants.get("NETS", {})) if definition else []


def net_keys() -> list[str]:
    """Return the keys under which a configuration may hold a net: `net`, and the keys of every method's nets."""
    extra = (f"method.{name}" for method in option_files("method") for name in extra_net_keys(method))
    return ["net", *dict.fromkeys(extra)]


def register_implied_experiments() -> None:
    """Register the implied experiments with Hydra, as if each were a file of conf/experiment/."""
    for name, content in implied_experiments().items():
        ConfigStore.instance().store(name, content, group="experiment", package="_global_", provider="grid")


def tuning_trials(config: Config) -> int:
    """Return the number of trials of the sweep that tuned `config`, from conf/tuned/; 0 without a sweep."""
    origin = config.get("tuned_from")
    files = (path for folder in conf_folders() for path in (folder / "tuned").glob("*.yaml"))
    for path in files if origin else ():
        count = re.search(r"^# study: .*?(\d+) trials", path.read_text(encoding="utf-8"), re.M)
        if count and load_config(path, interpolations=True).get("tuned_from") == origin:
            return int(count[1])
    return 0


def target(group: str, option: str) -> str:
    """Return the `_target_` in an option's file; "" where the file has none."""
    found = re.search(r"^_target_:\s*([\w.]+)", _text(group, option), re.MULTILINE)
    return found.group(1) if found else ""


def headline(group: str, option: str) -> str:
    """Return the first comment in an option's file, without Hydra's `@package`; "" where there is none."""
    lines = _text(group, option).splitlines()
    comments = (line.lstrip("# ").strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if comment and not comment.startswith("@package")), "")


def _text(group: str, option: str) -> str:
    path = option_file(group, option)
    return path.read_text(encoding="utf-8") if path else ""
