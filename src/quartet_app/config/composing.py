"""Compose conf/ and the overrides of a command line into a resolved configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra

from quartet.types import QuartetError
from quartet_app.config.check import check
from quartet_app.config.errors import explain
from quartet_app.config.options import option_files, register_implied_experiments
from quartet_app.config.project import CONF, conf_folders
from quartet_app.config.resolved import Config, load_resolved, override_config, resolve

HYDRA_VERSION = "1.3"
OWN_CONF = "QUARTET_CONF"  # read by hydra_plugins.quartet_search_path


def compose(overrides: Iterable[str]) -> Config:
    """Return the resolved configuration of the command line `overrides`; QuartetError when they do not compose."""
    overrides = list(overrides)
    if not any(override.startswith(("experiment=", "sweep=")) for override in overrides):
        raise QuartetError(
            f"experiment: not given; add experiment=<name>, one of {', '.join(option_files('experiment'))}"
        )
    try:
        with hydra_ready():
            return resolve(hydra.compose("config", overrides=overrides))
    except Exception as error:
        raise QuartetError(explain(error)) from error


def compose_group(group: str, option: str, overrides: Iterable[str] = ()) -> Config:
    """Return one option of one group alone, such as a data set to prepare, with `overrides` as data.source.file=x.npz.

    Raises QuartetError when there is none.
    """
    try:
        with hydra_ready():
            return resolve(hydra.compose(overrides=[f"+{group}={option}", *overrides]))[group]  # type: ignore[no-any-return]
    except Exception as error:
        raise QuartetError(explain(error)) from error


def config_of(arguments: Sequence[str]) -> Config:
    """Return the checked configuration of a command line: `key=value …`, or `build/cnn.yaml key=value …`."""
    if arguments and arguments[0].endswith((".yaml", ".yml")):
        config = override_config(load_resolved(Path(arguments[0])), arguments[1:])
    else:
        config = compose(arguments)
    check(config)
    return config


@contextmanager
def hydra_ready() -> Iterator[None]:
    """Let Hydra compose the shipped conf/, with the project's own in front of it."""
    set_search_path()
    with hydra.initialize_config_dir(str(CONF), version_base=HYDRA_VERSION):
        yield


def set_search_path() -> None:
    """Make a user's own conf/ and the implied experiments known to Hydra, here and in later processes."""
    own = conf_folders()[:-1]
    os.environ.pop(OWN_CONF, None)
    if own:
        os.environ[OWN_CONF] = str(own[0])
    register_implied_experiments()
