"""Find the project: the folder with the `conf/` to compose, with the tables and with MLflow's store.

The project is the nearest folder with a `conf/`, upwards from the working directory. Its `conf/` comes before the
shipped one, so that a user adds a net by one file in a folder of their own. Without such a folder, only the shipped
`conf/` counts. QUARTET_SHIPPED_CONF names a folder to use in place of the checkout's `conf/`. Tests set it to a copy,
so that they neither read nor change a person's files.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]  # the checkout that this code lies in
CONF = Path(os.environ.get("QUARTET_SHIPPED_CONF") or REPOSITORY / "conf").resolve()  # the shipped conf/


@cache
def _project_above(folder: Path) -> Path | None:
    """Return the nearest folder with a `conf/`, from `folder` upwards; None where there is none."""
    for candidate in (folder, *folder.parents):
        conf = candidate / "conf"  # in a table it is a link to the project's
        if conf.is_dir() and not conf.is_symlink() and any(conf.rglob("*.yaml")):
            return candidate
    return None


def project() -> Path:
    """Return the project's folder: the nearest one upwards with a `conf/`, else the checkout of this code."""
    return _project_above(Path.cwd()) or REPOSITORY


def table_above(folder: Path) -> Path | None:
    """Return the table that `folder` belongs to: the nearest folder upwards with params.yaml and dvc.yaml, or None."""
    root = project()
    inside = (path for path in (folder, *folder.parents) if path == root or root in path.parents)
    return next((path for path in inside if (path / "params.yaml").exists() and (path / "dvc.yaml").exists()), None)


def conf_folders() -> list[Path]:
    """Return the `conf/` folders with options, the user's own first and the shipped one last."""
    own = project() / "conf"
    return [CONF] if project() == REPOSITORY or own.resolve() == CONF else [own, CONF]


def own_conf() -> Path:
    """Return the `conf/` that a person edits, and into which a sweep writes its winner."""
    return conf_folders()[0]


def store_folder() -> Path:
    """Return the folder that all tables of a project share: MLflow's store and downloads lie in it.

    It is the project's folder in any folder below the project, else the working directory as the relative path ".".
    """
    here = Path.cwd()
    root = project()
    return root if here != root and here.is_relative_to(root) else Path()


def make_importable() -> None:
    """Put the project's folder on Python's path, here and in later processes: a `_target_` may name a package in it."""
    root = project()
    if root == REPOSITORY or str(root) in sys.path:
        return
    sys.path.append(str(root))
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, str(root)])
