"""Make a table: a folder with params.yaml and the project's graph, as a DVC repository within the project's.

So `dvc status`, `repro`, `pull` and `metrics` speak in each folder of its own table alone. The sources are links to the
project's: DVC ignores byte code in a folder of its own only, and paths in dvc.lock are the same in all tables, which
share the cache.
"""

from __future__ import annotations

import configparser
import io
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from quartet.types import QuartetError, check_name
from quartet_app.config.composing import config_of
from quartet_app.config.options import options
from quartet_app.config.overrides import PATH_KEYS, as_value, unquoted
from quartet_app.config.project import REPOSITORY
from quartet_app.config.table.axes import typed_axes
from quartet_app.config.table.params import read_params
from quartet_app.data.origin import origin
from quartet_app.files import GENERATED_FOLDERS, STAGES, expand_home, write_text
from quartet_app.near import did_you_mean
from quartet_app.table.graph import graph_files

LINKS = ("conf", "pipelines", "src")  # what the stages depend on
PARAMS = """\
# A table of its own; the project's params.yaml explains the keys.
experiments: {experiments}
seeds: [0, 1, 2]
profile: laptop
overrides: {overrides}
"""
AXES = """\
# Each experiment is trained with each combination of these values. After a change, `quartet table .` renews dvc.yaml.
axes:
{axes}
# Combinations to leave out, as [{{experiment: '*_rnn', net.position: [learned, rotary]}}]
unless: []
"""


def write_repository(folder: Path) -> None:
    """Make `folder` a DVC repository within the project's: its graph, its links, the cache and remotes in common."""
    up = Path(os.path.relpath(REPOSITORY, folder.resolve()))
    for name in LINKS:
        link = folder / name
        if link.is_symlink() or not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(up / name)
    (folder / ".dvc").mkdir(exist_ok=True)
    add_lines(folder / ".dvc" / ".gitignore", "/config.local\n/tmp\n/cache\n")
    write_text(folder / ".dvc" / "config", dvc_config(up, own=folder / ".dvc" / "config"))
    if not any((above / ".git").exists() for above in (REPOSITORY, *REPOSITORY.parents)):
        write_text(folder / ".dvc" / "config.local", "[core]\n    no_scm = true\n")
    add_lines(folder / ".dvcignore", (REPOSITORY / ".dvcignore").read_text(encoding="utf-8"))
    add_lines(folder / ".gitignore", "".join(f"/{name}/\n" for name in GENERATED_FOLDERS))
    write_graph(folder)


def add_lines(path: Path, text: str) -> None:
    """Write the lines of `text` to a file; one that is there keeps its own lines, and gets those that it lacks."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    lacking = [line for line in text.splitlines() if line not in before.splitlines()]
    if lacking:
        start = before if not before or before.endswith("\n") else f"{before}\n"
        write_text(path, start + "\n".join(lacking) + "\n" if before else text)


def write_graph(folder: Path) -> None:
    """Write the files of a table's graph that are not as they should be, and delete the stages of points that left."""
    files = graph_files(read_params(folder / "params.yaml"))
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
    for old in (folder / STAGES).glob("*/dvc.yaml"):
        if old.relative_to(folder).as_posix() not in files:
            shutil.rmtree(old.parent)


def update_graph(folder: Path) -> None:
    """Write a table's graph anew where its axes or findings are no longer those of params.yaml."""
    table = read_params(folder / "params.yaml")
    if table.axes or table.findings:
        write_graph(folder)


def dvc_config(up: Path, *, own: Path) -> str:
    """Return the configuration of a table's DVC: the project's with its remotes, and its cache, which lies `up`.

    Paths in it are seen from the folder `.dvc`, in the project as in the table. What the table's `own` file has beside
    that stays, as a remote that a person has added there.
    """
    config = configparser.ConfigParser(interpolation=None)
    config.read(REPOSITORY / ".dvc" / "config")
    for section in config.sections():
        place = config.get(section, "url", fallback="")
        if place and "://" not in place and not Path(place).is_absolute():
            config.set(section, "url", (".." / up / ".dvc" / place).as_posix())
    if not config.has_option("cache", "dir"):
        config.setdefault("cache", {})
        config.set("cache", "dir", (".." / up / ".dvc" / "cache").as_posix())
    kept = configparser.ConfigParser(interpolation=None)
    kept.read(own)
    kept.read_dict(config)
    text = io.StringIO()
    kept.write(text)
    return text.getvalue()


def relative_override(folder: Path, override: str) -> str:
    """Return an override for a table in `folder`: an existing relative path is changed to be relative to the folder."""
    key, _, value = override.partition("=")
    text = unquoted(value)
    if key not in PATH_KEYS or expand_home(text).is_absolute() or not Path(text).exists():
        return override
    return f"{key}={as_value(Path(os.path.relpath(Path(text).resolve(), folder.resolve())).as_posix())}"


def make_table(folder: Path, experiments: list[str], overrides: list[str], axes: Sequence[str] = ()) -> None:
    """Write a table's dvc.yaml, its .gitignore and, if there is none, its params.yaml.

    `axes`: settings to vary, each as KEY=VALUE,VALUE. QuartetError, before anything is written, for a folder outside
    the project or a mistake in the arguments.
    """
    if folder.resolve() == REPOSITORY or not folder.resolve().is_relative_to(REPOSITORY):
        raise QuartetError(f"{folder}: a table is a folder within {REPOSITORY}; DVC looks after no other")
    for name in folder.resolve().relative_to(REPOSITORY).parts:
        check_name(name, f"the table's folder {folder}")
    if not (folder / "params.yaml").exists() and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise QuartetError(f"{folder}: is there already and holds other files, no table; name another folder")
    for name in experiments:
        if name not in options("experiment"):
            raise QuartetError(f"{name}: no such experiment; {did_you_mean(name, options('experiment'))}")
    if seeds := next((override for override in overrides if override.startswith(("seed=", "seeds="))), None):
        raise QuartetError(f"{seeds}: a table lists its seeds in params.yaml; make the table, then edit them there")
    params = folder / "params.yaml"
    if params.exists() and (experiments or overrides or axes):
        raise QuartetError(f"{params} is there already\nedit its experiments, or name another folder")
    if not params.exists() and not experiments:
        raise QuartetError(f"{folder}: no experiments given; some of {', '.join(options('experiment'))}")
    for name in experiments:  # refuse a mistake before anything is written
        origin(config_of([f"experiment={name}", *overrides])["data"])
    varied = typed_axes(axes)
    folder.mkdir(parents=True, exist_ok=True)
    if not params.exists():
        listed = json.dumps([relative_override(folder, override) for override in overrides], ensure_ascii=False)
        by_experiment = "".join(f"\n  {name}: {listed}" for name in experiments) if overrides else "{}"
        text = PARAMS.format(experiments=json.dumps(experiments), overrides=by_experiment)
        lines = "\n".join(f"  {key}: {json.dumps(values)}" for key, values in varied.items())
        write_text(params, text + (AXES.format(axes=lines) if varied else ""))
    write_repository(folder)
