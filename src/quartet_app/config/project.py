"""Find the project: the folder whose `conf/` is composed, where tables lie and MLflow's store is kept.

A project is the nearest folder upwards from the working directory with a `conf/` folder. Its `conf/` stands in front of
the shipped one, so that a user's own net needs one file in the user's own folder. Without such a folder the shipped
`conf/` serves alone. QUARTET_SHIPPED_CONF names a folder that stands in the place of the checkout's `conf/`: tests set
it to a copy, so that they neither read nor change what a person keeps there.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]  # the checkout that this code lies in
CONF = Path(os.environ.get("QUARTET_SHIPPED_CONF") or REPOSITORY / "conf").resolve()  # the shipped one
MAIN = "config.yaml"  # in the conf/ of a clone


@cache
def _project_above(folder: Path) -> Path | None:
    """Return the nearest folder from `folder` upwards that has a `conf/`, None where there is none."""
    for candidate in (folder, *folder.parents):
        conf = candidate / "conf"  # a table's is a link to its project's
        if conf.is_dir() and not conf.is_symlink() and any(conf.rglob("*.yaml")):
            return candidate
    return None


def project() -> Path:
    """Return the project's folder: the nearest one upwards with a `conf/`, else the checkout of this code."""
    return _project_above(Path.cwd()) or REPOSITORY


def table_above(folder: Path) -> Path | None:
    """Return the table that `folder` belongs to: the nearest folder upwards with params.yaml and dvc.yaml, or None."""
    inside = (one for one in (folder, *folder.parents) if one == project() or project() in one.parents)
    return next((one for one in inside if (one / "params.yaml").exists() and (one / "dvc.yaml").exists()), None)


def conf_folders() -> list[Path]:
    """Return the folders that options are looked for in, the user's own first and the shipped one last."""
    own = project() / "conf"
    return [CONF] if project() == REPOSITORY or own.resolve() == CONF else [own, CONF]


def own_conf() -> Path:
    """Return the `conf/` that a person edits, and into which a sweep writes its winner."""
    return conf_folders()[0]


def store_folder() -> Path:
    """Return the folder of what all tables of a project share (MLflow's store, downloads), seen from here.

    The project's folder from any folder below it, else the working directory.
    """
    here = Path.cwd()
    root = project()
    return root if here != root and here.is_relative_to(root) else Path()


def make_importable() -> None:
    """Let a user's own package in the project's folder be named by `_target_`, here and in processes to come."""
    root = project()
    if root == REPOSITORY or str(root) in sys.path:
        return
    sys.path.append(str(root))
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, str(root)])
